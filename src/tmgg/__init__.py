"""TMGG takes a machine-learning experiment from a Hydra config to a Slurm cluster and back.

Experiments, and programs that submit them, need only the names of `__all__`. These load on first
use, and this module imports nothing else: `tmgg-experiment --help` and every job start fast, as
torch, ray, modal and hydra load only where they are used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmgg.errors import (
        ConfigError,
        MissingExtraError,
        RunFailedError,
        StoppedEarlyError,
        SubmissionError,
        TaskError,
        TmggError,
    )
    from tmgg.experiment_utils.cloud.factory import make_runner
    from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
    from tmgg.experiment_utils.cloud.local.config import LocalConfig
    from tmgg.experiment_utils.cloud.local.runner import LocalRunner
    from tmgg.experiment_utils.cloud.runner import CloudRunner
    from tmgg.experiment_utils.cloud.runs import ExperimentResult, TaskRequest
    from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
    from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
    from tmgg.experiment_utils.compose import compose_config
    from tmgg.experiment_utils.job.context import RunContext, RunNode, Worker, current_run
    from tmgg.experiments.everywhere import train_on_all_nodes
    from tmgg.training.loading import load

__version__ = "0.1.0"

__all__ = [
    "CloudRunner",
    "ConfigError",
    "ExperimentResult",
    "LocalConfig",
    "LocalRunner",
    "MissingExtraError",
    "RunContext",
    "RunFailedError",
    "RunFuture",
    "RunNode",
    "SlurmConfig",
    "SlurmRunner",
    "StoppedEarlyError",
    "SubmissionError",
    "TaskError",
    "TaskRequest",
    "TmggError",
    "Worker",
    "__version__",
    "compose_config",
    "current_run",
    "load",
    "make_runner",
    "train_on_all_nodes",
]

_ERRORS = "tmgg.errors"
_CONTEXT = "tmgg.experiment_utils.job.context"
_CLOUD = "tmgg.experiment_utils.cloud"
_HOMES = {
    "CloudRunner": f"{_CLOUD}.runner",
    "ConfigError": _ERRORS,
    "ExperimentResult": f"{_CLOUD}.runs",
    "LocalConfig": f"{_CLOUD}.local.config",
    "LocalRunner": f"{_CLOUD}.local.runner",
    "MissingExtraError": _ERRORS,
    "RunContext": _CONTEXT,
    "RunFailedError": _ERRORS,
    "RunFuture": f"{_CLOUD}.futures.call_future",
    "RunNode": _CONTEXT,
    "SlurmConfig": f"{_CLOUD}.slurm.config",
    "SlurmRunner": f"{_CLOUD}.slurm.runner",
    "StoppedEarlyError": _ERRORS,
    "SubmissionError": _ERRORS,
    "TaskError": _ERRORS,
    "TaskRequest": f"{_CLOUD}.runs",
    "TmggError": _ERRORS,
    "Worker": _CONTEXT,
    "compose_config": "tmgg.experiment_utils.compose",
    "current_run": _CONTEXT,
    "load": "tmgg.training.loading",
    "make_runner": f"{_CLOUD}.factory",
    "train_on_all_nodes": "tmgg.experiments.everywhere",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("tmgg.experiment_utils.extras").check_extra_of(_HOMES[name])
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
