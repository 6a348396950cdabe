"""The GPUs that this process may use, found without a library that would use one."""

import os
from pathlib import Path

from tmgg.experiment_utils.job.gpu_variables import parse_devices

_NVIDIA = Path("/proc/driver/nvidia/gpus")


def visible_gpus(environment_value: str | None, *, installed: int) -> list[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES names; all that are installed if it is not set."""
    if environment_value is None:
        return [str(index) for index in range(installed)]
    return parse_devices(environment_value)


def find_gpus() -> list[str]:
    """The GPUs of this machine that this process may use."""
    try:
        installed = sum(1 for _gpu in _NVIDIA.iterdir())
    except OSError:
        installed = 0
    return visible_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), installed=installed)
