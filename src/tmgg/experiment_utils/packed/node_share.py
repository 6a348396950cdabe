"""Divides a node's CPUs and GPUs among the runs on it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One run's part of a node."""

    cpus: tuple[int, ...]
    """CPUs that the run is bound to; empty if the job may not have these CPUs for itself."""
    threads: int
    """How many threads OpenMP, and the libraries that follow it, may use."""
    gpus: Mapping[str, tuple[str, ...]]
    """By the variable that names them. With more runs than GPUs, several runs share one."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that limit a run to its GPUs; a variable without GPUs is left as it is."""
        return {name: ",".join(devices) for name, devices in self.gpus.items() if devices}


def default_runs_per_node(*, cpus: int, gpus: int) -> int:
    """One run for each GPU if there are any (at most one for each CPU), else one for each CPU."""
    return max(1, min(gpus, cpus) if gpus else cpus)


def divide(
    *, runs: int, cpus: int, affinity: Sequence[int], gpus: Mapping[str, Sequence[str]]
) -> tuple[Share, ...]:
    """The shares of `runs` runs that are on a node at the same time.

    `gpus` are the node's GPUs by the variable that names them (see `gpu_variables`). `affinity` are
    the CPUs on which the kernel lets this job run. They are divided only if there are `cpus` of
    them: on a node that does not confine jobs, two jobs would otherwise bind to the same CPUs.
    """
    own = sorted(affinity) if len(affinity) == cpus else []
    return tuple(
        Share(
            cpus=tuple(part(own, runs, index)),
            threads=max(1, cpus // runs),
            gpus={name: tuple(part(list(each), runs, index)) for name, each in gpus.items()},
        )
        for index in range(runs)
    )


def part(items: Sequence, parts: int, index: int) -> Sequence:  # type: ignore[type-arg]
    """The `index`-th of `parts` parts: each has several items, or several parts share one item."""
    count = len(items)
    if count == 0:
        return []
    first = index * count // parts
    return items[first : max(first + 1, (index + 1) * count // parts)]
