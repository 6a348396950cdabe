"""Graph denoising as mathematics: random graphs, noise, spectra, metrics and known optima.

Nothing here knows about training, files or clusters. Shapes are in the names: `B` graphs of a
batch, `N` nodes, `K` eigenpairs, `P` node pairs i < j.
"""
