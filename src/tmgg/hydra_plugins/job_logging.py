"""Sets up logging in a job of a Hydra app as in a process of Hydra's basic launcher."""

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
    """Configure `hydra_logging`, as the launching process did; `hydra.job_logging` comes later.

    A `job_logging` may depend on it: if it sets no level, root keeps the level of `hydra_logging`.
    Call it where `config` resolves as in the job.
    """
    try:
        configure_log(_with_unopened_files(config.hydra.hydra_logging), config.hydra.verbose)
    except ValueError as error:  # dictConfig raises it for any problem with a handler
        log.warning(
            "hydra.hydra_logging cannot be configured in the job: %s: %s. What job_logging takes "
            "over from it (the level of root, for example) is missing here.",
            error,
            error.__cause__,
        )


def keeping_own_lines_apart(task: TaskFunction) -> TaskFunction:
    """The task function, with TMGG's own lines kept out of the log that Hydra has configured."""

    @functools.wraps(task)
    def call(config: Any) -> Any:
        keep_apart()
        return task(config)

    return call


def _with_unopened_files(settings: DictConfig | None) -> Any:
    """The settings with files that open late: the launching process writes them, jobs must not."""
    settings = copy.deepcopy(settings)
    for handler in _own_values(_own_value(settings, "handlers")):
        if _own_value(handler, "class") in _FILES:
            with read_write(handler), open_dict(handler):
                handler.delay = True
    return settings


def _own_values(node: Any) -> list[Any]:
    return [_own_value(node, key) for key in node] if OmegaConf.is_dict(node) else []


def _own_value(node: Any, key: Any) -> Any:
    """The value of a key; None if there is none, or if it refers to another node."""
    if not OmegaConf.is_dict(node) or key not in node or OmegaConf.is_interpolation(node, key):
        return None
    return node[key]
