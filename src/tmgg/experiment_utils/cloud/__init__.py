"""The backends. Names are imported on first use, so importing this package takes little time."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.factory import make_runner
    from tmgg.experiment_utils.cloud.local.config import LocalConfig
    from tmgg.experiment_utils.cloud.local.runner import LocalRunner
    from tmgg.experiment_utils.cloud.modal.config import ModalConfig
    from tmgg.experiment_utils.cloud.modal.runner import ModalRunner
    from tmgg.experiment_utils.cloud.ray.config import RayConfig
    from tmgg.experiment_utils.cloud.ray.runner import RayRunner
    from tmgg.experiment_utils.cloud.runner import CloudRunner
    from tmgg.experiment_utils.cloud.runs import (
        ExperimentResult,
        RunState,
        SpawnedSweep,
        SpawnedTask,
        TaskRequest,
    )
    from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
    from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
    from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy
    from tmgg.experiment_utils.compose import compose_config

__all__ = [
    "CloudRunner",
    "ExperimentResult",
    "LocalConfig",
    "LocalRunner",
    "ModalConfig",
    "ModalRunner",
    "RayConfig",
    "RayRunner",
    "RunState",
    "SlurmConfig",
    "SlurmRunner",
    "SpawnedSweep",
    "SpawnedTask",
    "SweepPolicy",
    "TaskRequest",
    "compose_config",
    "make_runner",
]

_HOMES = {
    "CloudRunner": "tmgg.experiment_utils.cloud.runner",
    "ExperimentResult": "tmgg.experiment_utils.cloud.runs",
    "LocalConfig": "tmgg.experiment_utils.cloud.local.config",
    "LocalRunner": "tmgg.experiment_utils.cloud.local.runner",
    "ModalConfig": "tmgg.experiment_utils.cloud.modal.config",
    "ModalRunner": "tmgg.experiment_utils.cloud.modal.runner",
    "RayConfig": "tmgg.experiment_utils.cloud.ray.config",
    "RayRunner": "tmgg.experiment_utils.cloud.ray.runner",
    "RunState": "tmgg.experiment_utils.cloud.runs",
    "SlurmConfig": "tmgg.experiment_utils.cloud.slurm.config",
    "SlurmRunner": "tmgg.experiment_utils.cloud.slurm.runner",
    "SpawnedSweep": "tmgg.experiment_utils.cloud.runs",
    "SpawnedTask": "tmgg.experiment_utils.cloud.runs",
    "SweepPolicy": "tmgg.experiment_utils.cloud.sweep.policy",
    "TaskRequest": "tmgg.experiment_utils.cloud.runs",
    "compose_config": "tmgg.experiment_utils.compose",
    "make_runner": "tmgg.experiment_utils.cloud.factory",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
