"""What a run held of GPUs and CPUs, by what it was asked for and what it had. Pure."""

from collections.abc import Mapping
from typing import Any

from tmgg.experiment_utils.sampling.used import RunUse
from tmgg.report.model import Unit


def held_by(
    backend: str, settings: Mapping[str, Any], use: RunUse | None, *, is_packed: bool
) -> Unit:
    """Of all its nodes; of a packed run its share of one. Nothing where nobody says."""
    cpus = float(use.cpus_allotted) if use is not None and use.cpus_allotted else None
    if backend == "slurm":
        return _of_slurm(settings, cpus, is_packed=is_packed)
    per_run = {name: _number(settings, f"{name}_per_run") for name in ("gpus", "cpus")}
    nodes = _number(settings, "nodes") or 1.0
    gpus = per_run["gpus"]
    if backend == "modal" and settings.get("gpu_type"):
        gpus = nodes * (_number(settings, "gpus_per_task") or 1.0)
    return Unit(gpus=gpus or 0.0, cpus=per_run["cpus"] or cpus or 0.0)


def _of_slurm(settings: Mapping[str, Any], cpus: float | None, *, is_packed: bool) -> Unit:
    tasks = _number(settings, "tasks_per_node") or 1.0
    nodes = _number(settings, "nodes") or 1.0
    gpus_per_node = tasks * (_number(settings, "gpus_per_task") or 0.0)
    cpus_per_node = tasks * (_number(settings, "cpus_per_task") or 0.0)
    if not is_packed:
        return Unit(gpus=nodes * gpus_per_node, cpus=cpus or nodes * cpus_per_node)
    at_once = _number(settings, "runs_per_node") or gpus_per_node or cpus_per_node or 1.0
    return Unit(gpus=gpus_per_node / at_once, cpus=cpus_per_node / at_once)


def _number(settings: Mapping[str, Any], name: str) -> float | None:
    value = settings.get(name)
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if fits else None  # type: ignore[arg-type]
