"""The built-in experiment: a config in, metrics and files out."""

from collections.abc import Mapping

from omegaconf import DictConfig, OmegaConf

from tmgg.training.checkpoint import CheckpointFiles
from tmgg.training.config import parse_settings
from tmgg.training.loop import train


def run(config: Mapping[str, object] | DictConfig) -> dict[str, float | str]:
    """Train a denoiser as `config` says and return what it is worth.

    `config` has the shape of `tmgg/exp_configs/config.yaml`, all parts optional.
    Returns numbers, defined in docs/experiments.md, and under `checkpoint_path` the file with
    the weights they belong to. Raises ConfigError, before anything is written, if a setting is
    unknown or cannot be.
    """
    settings = parse_settings(_plain(config))
    metrics = train(settings)
    return {**metrics, "checkpoint_path": str(CheckpointFiles(settings.output_dir).last)}


def _plain(config: Mapping[str, object] | DictConfig) -> Mapping[str, object]:
    if not isinstance(config, DictConfig):
        return config
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
