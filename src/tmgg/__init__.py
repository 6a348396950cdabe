"""TMGG takes a machine-learning experiment from a Hydra config to a Slurm cluster and back.

Nothing is imported here: `tmgg-experiment --help` and every job start in milliseconds because
torch, ray, modal and hydra load only where they are used.
"""

__version__ = "0.1.0"
