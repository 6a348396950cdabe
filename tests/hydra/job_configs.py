"""Configs of jobs as Hydra composes them."""

from omegaconf import DictConfig, OmegaConf


def config() -> DictConfig:
    """Of one job of an app with one key."""
    return OmegaConf.create(
        {
            "x": 1,
            "hydra": {
                "overrides": {"task": ["x=1"]},
                "runtime": {"output_dir": "out"},
                "job": {"name": "app"},
            },
        }
    )
