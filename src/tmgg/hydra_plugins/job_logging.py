"""Logging in a job of a Hydra app, as the process of Hydra's basic launcher would have it."""

import copy
import functools
import logging
from typing import Any

from hydra.core.utils import configure_log
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from tmgg.experiment_utils.job.own_log import keep_apart

log = logging.getLogger(__name__)

_FILES = (
    "logging.FileHandler",
    "logging.handlers.RotatingFileHandler",
    "logging.handlers.TimedRotatingFileHandler",
    "logging.handlers.WatchedFileHandler",
)


def configure_as_launched(config: DictConfig) -> None:
    """What the launching process has done before a job's own `hydra.job_logging` is configured.

    A `job_logging` may build on it: with no level of its own, root keeps that of `hydra_logging`.
    Call it where `config` resolves as in the job.
    """
    try:
        configure_log(_with_unopened_files(config.hydra.hydra_logging), config.hydra.verbose)
    except ValueError as error:  # dictConfig's, for whatever is wrong with a handler on this node
        log.warning(
            "hydra.hydra_logging cannot be configured in the job: %s: %s. What job_logging takes "
            "over from it (the level of root, for example) is missing here.",
            error,
            error.__cause__,
        )


def keeping_own_lines_apart(task: TaskFunction) -> TaskFunction:
    """The task function, before which Hydra has configured its job's logging."""

    @functools.wraps(task)
    def call(config: Any) -> Any:
        keep_apart()
        return task(config)

    return call


def _with_unopened_files(settings: DictConfig | None) -> Any:
    """The files are the launching process's, which writes them now; a job must not empty them."""
    settings = copy.deepcopy(settings)
    for handler in _own_values(_own_value(settings, "handlers")):
        if _own_value(handler, "class") in _FILES:
            with read_write(handler), open_dict(handler):
                handler.delay = True
    return settings


def _own_values(node: Any) -> list[Any]:
    return [_own_value(node, key) for key in node] if OmegaConf.is_dict(node) else []


def _own_value(node: Any, key: Any) -> Any:
    """None where there is none, or where it is another node's."""
    if not OmegaConf.is_dict(node) or key not in node or OmegaConf.is_interpolation(node, key):
        return None
    return node[key]
