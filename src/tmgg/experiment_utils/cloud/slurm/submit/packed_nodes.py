"""How many nodes the one job of a packed sweep takes. Pure."""

from dataclasses import replace

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig


def fitting(config: SlurmConfig, runs: int) -> SlurmConfig:
    """No more nodes than runs; nodes that were named are taken as they are."""
    if config.nodelist is not None or config.nodes <= runs:
        return config
    return replace(config, nodes=runs)
