"""Which GPUs are a process's own: the variables in which that is said.

Slurm says it in the vendor's variable, or in those of several vendors where it does not know the
vendor. Libraries, and Ray, do not read all of them:

- AMD: Slurm sets ROCR_VISIBLE_DEVICES. Ray refuses that without HIP_VISIBLE_DEVICES, by which it
  gives each worker its part. ROCm applies the first before the second and counts anew from 0, so
  the same numbers in both would name GPUs that are not there. The first is moved into the second.
- Intel: Slurm sets ZE_AFFINITY_MASK. ONEAPI_DEVICE_SELECTOR counts anew from 0 below it, so that
  one is moved, too, where it names devices by number. A choice such as `level_zero:gpu` stays.

This module imports nothing slow.
"""

import os
import re
from collections.abc import Mapping, MutableMapping

CUDA = "CUDA_VISIBLE_DEVICES"
HIP = "HIP_VISIBLE_DEVICES"
ROCR = "ROCR_VISIBLE_DEVICES"
LEVEL_ZERO = "ZE_AFFINITY_MASK"
ONEAPI = "ONEAPI_DEVICE_SELECTOR"
_READ_BY_LIBRARIES = (CUDA, HIP, LEVEL_ZERO)
DRIVER_LIBRARIES = {
    CUDA: "libcuda.so.1", HIP: "libamdhip64.so", LEVEL_ZERO: "libze_loader.so.1",
}  # fmt: skip
"""The library that programs for the GPUs of each variable need. Loading it starts nothing."""
_SET_BY_SLURM = (CUDA, HIP, ROCR, LEVEL_ZERO)
_NUMBERED = re.compile(r"(?:level_zero:)?(?P<numbers>\d+(?:\.\d+)?(?:,\d+(?:\.\d+)?)*)")
_NONE = ("", "-1", "NoDevFiles")


def translated(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which Ray and torch see the GPUs that were given. Again changes nothing.

    Where both variables of a vendor are set, whoever set the second counted from 0: both stay.
    """
    found = dict(environment)
    if ROCR in found and HIP not in found:
        found[HIP] = found.pop(ROCR)
    numbered = _NUMBERED.fullmatch(found.get(ONEAPI, ""))
    if numbered and LEVEL_ZERO not in found:
        found[LEVEL_ZERO] = numbered["numbers"]
        del found[ONEAPI]
    return found


def translate_own(environment: MutableMapping[str, str] = os.environ) -> None:
    """The same for this process and what it starts; before torch or Ray look for GPUs."""
    wanted = translated(environment)
    for name in (HIP, ROCR, LEVEL_ZERO, ONEAPI):
        if name in wanted:
            environment[name] = wanted[name]
        else:
            environment.pop(name, None)


def visible_devices(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The devices that each variable names, for those that are set, as its vendor names them."""
    read = translated(environment)
    return {name: parse_devices(read[name]) for name in _READ_BY_LIBRARIES if name in read}


def count_visible(environment: Mapping[str, str]) -> int | None:
    """How many GPUs the variables name; None where none is set, which hides none."""
    return max((len(each) for each in visible_devices(environment).values()), default=None)


def parse_devices(text: str) -> list[str]:
    """The devices that a variable names; libraries ignore what follows one that is none."""
    found: list[str] = []
    for name in text.split(","):
        if name.strip() in _NONE:
            break
        found.append(name.strip())
    return found


def without_devices_of_slurm(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a new step of the same job, whose variables Slurm sets anew.

    What this module made of those of the step around it would stay beside them.
    """
    if "SLURM_JOB_GPUS" not in environment:
        return dict(environment)
    return {name: value for name, value in environment.items() if name not in _SET_BY_SLURM}
