"""Advice about the resources of a run that has ended: what it had, and what it needed. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from tmgg.experiment_utils.sampling.sizes import render_bytes, render_request
from tmgg.experiment_utils.sampling.used import RunUse, nodes_of

LEAST_S = 30.0
"""A shorter run says little about the next, so there is no advice for it."""
_ROOM = 1.3
"""The advised memory is the used one times this factor, because runs differ."""
_TOO_MUCH = 2.0
_TOO_LITTLE = 0.9
_WORTH_BYTES = 1 << 30
_IDLE_SHARE = 0.25
_WORTH_CPUS = 4
_BUSY_PERCENT = 30.0
_PREFIX = "slurm_"


def advise(
    use: RunUse, settings: Mapping[str, Any], *, is_packed: bool = False, starts: int = 1
) -> list[str]:
    """Sentences; empty if all resources were well used. `settings` are those of the run's attempt.

    `starts` is how often the run was started. There is advice about memory and CPUs only if Slurm
    said what the job had. No option is named if a node or an earlier start was not measured.
    """
    if use.seconds < LEAST_S:
        return []
    part = _part_seen(use, nodes_of(settings, is_packed=is_packed), settings, starts)
    found = (_of_memory(use, settings, part), _of_cpus(use, settings, part), _of_gpus(use, part))
    return [words for words in found if words]


def _part_seen(use: RunUse, nodes: int, settings: Mapping[str, Any], starts: int) -> str:
    """Which part of the run was measured, in words; empty if all of it was."""
    seen = len(use.hosts)
    is_drivers = seen == 1 and settings.get("tasks_per_node") is None
    where = " on the driver's node" if is_drivers else f" on {seen} of its {nodes} nodes"
    return (where if nodes > seen else "") + (" at its last start" if starts > 1 else "")


def _of_memory(use: RunUse, settings: Mapping[str, Any], part: str) -> str:
    had, used = use.memory_allotted_bytes, use.memory_peak_bytes
    if had is None:
        return ""
    finding = (
        f"asked for {render_bytes(had)} of memory on a node, "
        f"used {render_bytes(used)} at most{part}"
    )
    if used > _TOO_LITTLE * had:
        return f"{finding}: a little more, and it is out of memory"
    if used * _TOO_MUCH > had or had - used < _WORTH_BYTES:
        return ""
    option = "" if part else _memory_option(use, settings)
    return f"{finding}: {option} would do" if option else finding


def _memory_option(use: RunUse, settings: Mapping[str, Any]) -> str:
    """An option such as `slurm_mem_per_cpu=1GB`; empty if no such option set the memory."""
    needed = use.memory_peak_bytes * _ROOM
    hosts = len(use.hosts)
    shares = {
        "mem_per_gpu": settings.get("gpus_per_task"),
        "mem_per_node": 1,
        "mem_per_cpu": use.cpus_allotted // hosts if use.cpus_allotted else None,
    }
    for name, share in shares.items():
        if settings.get(name) and isinstance(share, int) and share > 0:
            return f"{_PREFIX}{name}={render_request(needed / share)}"
    return ""


def _of_cpus(use: RunUse, settings: Mapping[str, Any], part: str) -> str:
    had, used = use.cpus_allotted, use.cpu_cores_mean
    if had is None or had < _WORTH_CPUS or used > _IDLE_SHARE * had:
        return ""
    finding = (
        f"had {had} CPUs{part or _on_hosts(use)}, used {used:.2g} on average and "
        f"{use.cpu_cores_peak:.2g} at most"
    )
    asked = settings.get("cpus_per_task")
    enough = max(1, math.ceil(use.cpu_cores_peak))
    # On whole nodes a run gets all CPUs whatever it asks for; ranks divide the number.
    is_asked = asked == had and len(use.hosts) == 1 and not part
    return (
        f"{finding}: {_PREFIX}cpus_per_task={enough} would do"
        if is_asked and enough < had
        else finding
    )


def _of_gpus(use: RunUse, part: str) -> str:
    busy = use.gpu_busy_mean_percent
    if busy is None or busy >= _BUSY_PERCENT:
        return ""
    number = len(use.gpus)
    which = f"its GPU{part} was" if number == 1 else f"its {number} GPUs{part} were"
    return f"{which} busy {busy:.0f} % of the time"


def _on_hosts(use: RunUse) -> str:
    return "" if len(use.hosts) == 1 else f" on {len(use.hosts)} nodes"
