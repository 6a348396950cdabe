"""The GPUs this process may use, without importing what would take one."""

import os
from pathlib import Path

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_NONE = ("", "-1", "NoDevFiles")


def visible_gpus(environment_value: str | None, *, installed: int) -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them; all that are installed where it is not set."""
    if environment_value is None:
        return [str(index) for index in range(installed)]
    found: list[str] = []
    for name in environment_value.split(","):
        if name.strip() in _NONE:
            break  # CUDA ignores what follows
        found.append(name.strip())
    return found


def find_gpus() -> list[str]:
    """Of this machine and this process."""
    try:
        installed = sum(1 for _gpu in _NVIDIA.iterdir())
    except OSError:
        installed = 0
    return visible_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), installed=installed)
