"""How many GPUs and CPUs a run held, from its settings and what it measured. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tmgg.experiment_utils.sampling.used import RunUse


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """The GPUs and CPUs that one run holds."""

    gpus: float = 0.0
    """For a packed run, its share."""
    cpus: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """What a packed job held for its runs, also while no run used it."""

    unit: Unit
    """On all its nodes together."""
    seconds: float | None
    """The time of all its starts; None if it is not on record."""
    has_whole_nodes: bool = False
    """Whether it had whole nodes. Then it held more CPUs than are on record."""


def held_by(
    backend: str, settings: Mapping[str, Any], use: RunUse | None, *, is_packed: bool
) -> Unit:
    """What a run held on all its nodes; for a packed run, its share of one node.

    A number is 0 if it is not known. A local run without `local_cpus_per_run` shares the machine
    with other programs, so it holds the CPUs that it uses.
    """
    if backend == "slurm":
        return _of_slurm(settings, _cpus_on_a_node(use), is_packed=is_packed)
    per_run = {name: _number(settings, f"{name}_per_run") for name in ("gpus", "cpus")}
    nodes = _number(settings, "nodes") or 1.0
    gpus, cpus = per_run["gpus"], per_run["cpus"]
    if backend == "modal":
        cpus = nodes * (_number(settings, "cpus_per_task") or 0.0)
    if backend == "modal" and settings.get("gpu_type"):
        gpus = nodes * (_number(settings, "gpus_per_task") or 1.0)
    return Unit(gpus=gpus or 0.0, cpus=cpus or _used(use))


def held_by_job(settings: Mapping[str, Any], *, runs: int) -> Unit:
    """What the job of a packed sweep held, for all of its runs together."""
    nodes = _number(settings, "nodes") or 1.0
    if settings.get("nodelist") is None:
        nodes = min(nodes, runs)  # it asks for no more nodes than it has runs
    gpus, cpus = _on_a_node(settings)
    return Unit(gpus=nodes * gpus, cpus=nodes * cpus)


def _used(use: RunUse | None) -> float:
    """The average number of CPUs in use, at most the number that the run had."""
    if use is None:
        return 0.0
    return min(use.cpu_cores_mean, use.cpus_allotted or use.cpu_cores_mean)


def _cpus_on_a_node(use: RunUse | None) -> float | None:
    """CPUs that Slurm gave, on average over the measured nodes; None if that is not on record."""
    return use.cpus_allotted / len(use.hosts) if use is not None and use.cpus_allotted else None


def _of_slurm(settings: Mapping[str, Any], given: float | None, *, is_packed: bool) -> Unit:
    """`given` is how many CPUs the run has on a node; if None, what it asked for counts."""
    nodes = _number(settings, "nodes") or 1.0
    gpus_per_node, cpus_per_node = _on_a_node(settings)
    if not is_packed:
        return Unit(gpus=nodes * gpus_per_node, cpus=nodes * (given or cpus_per_node))
    at_once = _number(settings, "runs_per_node") or gpus_per_node or cpus_per_node or 1.0
    return Unit(gpus=gpus_per_node / at_once, cpus=cpus_per_node / at_once)


def _on_a_node(settings: Mapping[str, Any]) -> tuple[float, float]:
    """GPUs and CPUs that a Slurm job asked for."""
    tasks = _number(settings, "tasks_per_node") or 1.0
    gpus, cpus = (_number(settings, f"{name}_per_task") or 0.0 for name in ("gpus", "cpus"))
    return tasks * gpus, tasks * cpus


def _number(settings: Mapping[str, Any], name: str) -> float | None:
    value = settings.get(name)
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if fits else None  # type: ignore[arg-type]
