"""How many workers train, and which share of the machines each one has. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Machine:
    """The CPUs and GPUs of one machine that may be used."""

    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The workers of one training, all alike."""

    workers: int
    cpus_each: float
    gpus_each: int
    spread: bool
    """Whether they should be on different machines as far as they can."""


def place_workers(wanted: int | None, machines: Sequence[Machine], *, use_gpus: bool) -> Placement:
    """Spread `wanted` workers over the machines. None: one per GPU, or without GPUs per machine.

    Raises ConfigError if there are too few GPUs or CPUs for them.
    """
    cpus = min(machine.cpus for machine in machines)
    if use_gpus:
        gpus = max(1, sum(int(machine.gpus) for machine in machines))
        most_on_one = max(int(machine.gpus) for machine in machines)
        _check_room(wanted, gpus, "GPU" if gpus == 1 else "GPUs")
        return Placement(
            workers=wanted or gpus, cpus_each=_share(cpus, most_on_one), gpus_each=1, spread=False
        )
    workers = wanted or len(machines)
    on_one = math.ceil(workers / len(machines))
    _check_room(wanted, int(cpus) * len(machines), "CPUs in equal parts on its nodes")
    return Placement(workers=workers, cpus_each=_share(cpus, on_one), gpus_each=0, spread=True)


def _share(cpus: float, workers: int) -> float:
    """A worker's share of one machine's CPUs: a whole number, or less than one CPU."""
    share = cpus / max(workers, 1)
    return math.floor(share) if share >= 1 else share


def _check_room(wanted: int | None, room: int, what: str) -> None:
    if wanted is not None and wanted > room:
        raise ConfigError(
            f"trainer.workers is {wanted}, but the run has {room} {what}; ask for fewer workers, "
            "or for more nodes, GPUs or CPUs"
        )
