"""What of a node each of the runs on it gets. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One run's part of a node."""

    cpus: tuple[int, ...]
    """CPUs to stay on; empty where the node is not known to be the job's own."""
    threads: int
    """How many OpenMP, and the libraries that follow it, may use."""
    gpus: Mapping[str, tuple[str, ...]]
    """By the variable that names them; shared with other runs where there are more runs than
    GPUs."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that hold a run to its share. Empty GPUs leave the node's own setting."""
        return {name: ",".join(devices) for name, devices in self.gpus.items() if devices}


def default_runs_per_node(*, cpus: int, gpus: int) -> int:
    """One run for each GPU where there are some, else one for each CPU."""
    return max(1, min(gpus, cpus) if gpus else cpus)


def divide(
    *, runs: int, cpus: int, affinity: Sequence[int], gpus: Mapping[str, Sequence[str]]
) -> tuple[Share, ...]:
    """The shares of `runs` runs that are on a node at once.

    `gpus` are the node's by the variable that names them, see `gpu_variables`.
    `affinity` is where the kernel lets this job run. It is divided only when it is as large as what
    the job was given: on a node that does not confine jobs, two jobs would choose the same CPUs.
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
    """The `index`-th of `parts` parts: several items each, or one item for several parts."""
    count = len(items)
    if count == 0:
        return []
    first = index * count // parts
    return items[first : max(first + 1, (index + 1) * count // parts)]
