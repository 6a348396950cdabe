"""How many nodes the one job of a packed sweep asks for. Pure."""

from dataclasses import replace

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig


def fitting(config: SlurmConfig, runs: int) -> SlurmConfig:
    """The config with at most as many nodes as runs; with `nodelist`, it is not changed."""
    if config.nodelist is not None or config.nodes <= runs:
        return config
    return replace(config, nodes=runs)
