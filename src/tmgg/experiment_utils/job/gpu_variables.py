"""The environment variables that say which GPUs a process may use.

Slurm sets the vendor's variable, or those of several vendors if it does not know the vendor.
Libraries, and Ray, do not read all of them:

- AMD: Slurm sets ROCR_VISIBLE_DEVICES. Ray refuses this variable without HIP_VISIBLE_DEVICES, with
  which it gives each worker its GPUs. ROCm applies ROCR_VISIBLE_DEVICES first and numbers the
  remaining GPUs from 0. So the same numbers in both variables would name GPUs that do not exist.
  Here the value of ROCR_VISIBLE_DEVICES is moved to HIP_VISIBLE_DEVICES.
- Intel: Slurm sets ZE_AFFINITY_MASK. ONEAPI_DEVICE_SELECTOR numbers the devices in that mask from 0
  again. So its value is moved to ZE_AFFINITY_MASK if it names devices by number and the mask is not
  set. A choice such as `level_zero:gpu` stays.

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
"""By variable: the driver library for such GPUs. Loading it does not start the driver."""
_SET_BY_SLURM = (CUDA, HIP, ROCR, LEVEL_ZERO)
_NUMBERED = re.compile(r"(?:level_zero:)?(?P<numbers>\d+(?:\.\d+)?(?:,\d+(?:\.\d+)?)*)")
_NONE = ("", "-1", "NoDevFiles")


def translated(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which Ray and torch see the given GPUs. A second call changes nothing.

    If both variables of a vendor are set, the second one was set with numbers from 0: both stay.
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
    """Translate this process's environment; call it before torch or Ray look for GPUs."""
    wanted = translated(environment)
    for name in (HIP, ROCR, LEVEL_ZERO, ONEAPI):
        if name in wanted:
            environment[name] = wanted[name]
        else:
            environment.pop(name, None)


def visible_devices(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """For each variable that is set, the devices in it, by the vendor's names."""
    read = translated(environment)
    return {name: parse_devices(read[name]) for name in _READ_BY_LIBRARIES if name in read}


def count_visible(environment: Mapping[str, str]) -> int | None:
    """How many GPUs the variables name; None if none is set, so that all GPUs are visible."""
    return max((len(each) for each in visible_devices(environment).values()), default=None)


def parse_devices(text: str) -> list[str]:
    """The devices that a variable names. As in libraries, an empty name or -1 ends the list."""
    found: list[str] = []
    for name in text.split(","):
        if name.strip() in _NONE:
            break
        found.append(name.strip())
    return found


def without_devices_of_slurm(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a new step of the same job, without the variables of GPUs.

    Slurm sets them anew for the step. Variables that this module changed in the enclosing step
    would otherwise stay beside the new ones.
    """
    if "SLURM_JOB_GPUS" not in environment:
        return dict(environment)
    return {name: value for name, value in environment.items() if name not in _SET_BY_SLURM}
