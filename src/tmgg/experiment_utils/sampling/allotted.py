"""What a job was given on its host, from Slurm's variables and the kernel. Pure, except affinity.

For a packed run the memory is not known, because all runs of the job share it.
"""

import os
from collections.abc import Mapping

_MEGABYTE = 1 << 20


def cpus_allotted(environment: Mapping[str, str]) -> int:
    """CPUs of the job on this host, as far as this process may use them."""
    usable = len(os.sched_getaffinity(0))
    return min(usable, _whole(environment, "SLURM_CPUS_ON_NODE") or usable)


def memory_allotted_bytes(environment: Mapping[str, str]) -> int | None:
    """Memory of the job on this host; None if it asked for none, or for all memory of a node."""
    per_node = _whole(environment, "SLURM_MEM_PER_NODE")
    if per_node:
        return per_node * _MEGABYTE
    per_cpu, cpus = (
        _whole(environment, f"SLURM_{name}") for name in ("MEM_PER_CPU", "CPUS_ON_NODE")
    )
    return per_cpu * cpus * _MEGABYTE if per_cpu and cpus else None


def _whole(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else None
