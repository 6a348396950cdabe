"""Training of the denoising models with PyTorch Lightning.

Nothing here knows where it runs: settings and an output directory come in, metrics and files
go out. `experiment.run` is the callable behind the built-in stages.
"""
