"""The built-in experiment: a config in, metrics and files out."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence

from omegaconf import DictConfig, OmegaConf

from tmgg.models import MODELS
from tmgg.training.checkpoint import CheckpointFiles, require_checkpoint
from tmgg.training.config import Settings, parse_settings
from tmgg.training.criteria import for_model
from tmgg.training.distributed import Outcome, train_distributed
from tmgg.training.hooks import Hooks
from tmgg.training.loop import choose_accelerator, train
from tmgg.training.one_training import one_training_in
from tmgg.training.placement import Machine, Placement, place_workers

log = logging.getLogger(__name__)


def run(config: Mapping[str, object] | DictConfig) -> dict[str, float | str]:
    """Train a denoiser in this process, as `config` says, and return its metrics.

    `config` has the shape of `tmgg/exp_configs/config.yaml`, all parts optional.
    Returns numbers, defined in docs/experiments.md, and under `checkpoint_path` the file with
    the weights they belong to. Raises ConfigError, before anything is written, if a setting is
    unknown or not valid, or another training is writing to the output folder.
    """
    settings = read_settings(config)
    with alone_in_folder(settings):
        return result(settings, train(settings))


@contextlib.contextmanager
def alone_in_folder(settings: Settings) -> Iterator[None]:
    """Lock the output folder. Raises ConfigError if that, or `resume_from`, is not possible."""
    require_checkpoint(settings.resume_from)
    with one_training_in(settings.output_dir):
        yield


def read_settings(config: Mapping[str, object] | DictConfig) -> Settings:
    """The settings in a config of any kind; raises ConfigError."""
    if isinstance(config, DictConfig):
        plain = OmegaConf.to_container(config, resolve=True)
        assert isinstance(plain, dict)
        config = {str(key): value for key, value in plain.items()}
    return parse_settings(config)


def place(settings: Settings, machines: Sequence[Machine]) -> Placement:
    """The workers that the settings want on these machines; raises ConfigError."""
    wanted = settings.trainer.workers
    if settings.data.protocol == "fixed_pair" and wanted is None:
        wanted = 1  # there is one graph
    use_gpus = choose_accelerator(settings.trainer.accelerator) == "gpu"
    return place_workers(wanted, machines, use_gpus=use_gpus)


def train_placed(settings: Settings, placement: Placement, *, hooks: Hooks) -> Outcome:
    """Train with these workers: one worker in this process, several with Ray Train."""
    if placement.workers == 1:
        return Outcome(train(settings, hooks=hooks), [])
    return train_distributed(settings, placement, hooks=hooks)


def judge(settings: Settings, metrics: Mapping[str, float]) -> dict[str, float]:
    """Log whether the stage's criteria are met, and return it as a metric, if there are any."""
    name = next((key for key, entry in MODELS.items() if entry.config is type(settings.model)), "")
    criteria = for_model(settings.criteria, name)
    if not criteria:
        return {}
    passed = all(item.is_met(metrics) for item in criteria)
    for item in criteria:
        log.info("%s", item.render(metrics))
    log.info("stage %s", "PASSED" if passed else "FAILED")
    return {"passed": passed}


def result(settings: Settings, metrics: Mapping[str, float]) -> dict[str, float | str]:
    """What a run returns."""
    return {
        **metrics,
        **judge(settings, metrics),
        "checkpoint_path": str(CheckpointFiles(settings.output_dir).last),
    }
