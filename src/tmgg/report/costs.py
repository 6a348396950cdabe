"""How the GPU-hours of a sweep were used (CPU-hours if it has no GPUs). Waiting is free. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tmgg.report.held import Allocation
from tmgg.report.model import ReportRun, Span

_S_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Hours, by how they were used."""

    unit: str
    """`GPU` or `CPU`."""
    busy: float = 0.0
    """Hours in runs that completed or go on, in which the GPUs were busy."""
    idle: float = 0.0
    """The other hours in these runs; 0 if it is not known how busy the GPUs were."""
    startup: float = 0.0
    """Hours before an experiment began and after it ended."""
    failed: float = 0.0
    """Hours in experiments that failed."""
    unfilled: float = 0.0
    """Hours in packed jobs without a run."""
    is_idle_known: bool = False
    """Whether the idle hours of every run are known."""
    is_unfilled_known: bool = True
    """Whether the unfilled hours of every packed job are known."""
    began: int = 0
    """Runs that have begun."""
    not_measured: int = 0
    """How many of these runs are not in the hours, since what they held is not on record."""

    @property
    def total(self) -> float:
        return self.busy + self.wasted

    @property
    def wasted(self) -> float:
        return self.idle + self.startup + self.failed + self.unfilled


def add_costs(
    runs: Sequence[ReportRun], allocations: Mapping[str, Allocation] | None = None
) -> Costs | None:
    """The hours of all runs; None if no run has begun."""
    begun = [run for run in runs if any(span.kind != "queue" for span in run.spans)]
    if not begun:
        return None
    has_gpus = any(run.unit.gpus for run in runs)
    sums = {"busy": 0.0, "idle": 0.0, "startup": 0.0, "failed": 0.0}
    known: list[bool] = []
    for run in begun:
        share = _busy_share(run, has_gpus=has_gpus)
        for span in run.spans:
            _add(sums, span, _held(run, has_gpus=has_gpus), share)
        if any(span.kind == "run" for span in run.spans):
            known.append(share is not None)
    unfilled = [
        _unfilled(allocation, [run for run in begun if run.allocation == name], has_gpus=has_gpus)
        for name, allocation in (allocations or {}).items()
    ]
    return Costs(
        unit="GPU" if has_gpus else "CPU",
        **sums,
        unfilled=sum(hours for hours in unfilled if hours is not None),
        is_idle_known=bool(known) and all(known),
        is_unfilled_known=all(hours is not None for hours in unfilled),
        began=len(begun),
        not_measured=sum(not (run.unit.gpus or run.unit.cpus) for run in begun),
    )


def _held(run: ReportRun, *, has_gpus: bool) -> float:
    return run.unit.gpus if has_gpus else run.unit.cpus


def _unfilled(allocation: Allocation, runs: Sequence[ReportRun], *, has_gpus: bool) -> float | None:
    """Hours of a packed job in which no run used its share; None if they are not known."""
    if allocation.seconds is None or (allocation.has_whole_nodes and not has_gpus):
        return None
    held = allocation.unit.gpus if has_gpus else allocation.unit.cpus
    of_runs = sum(
        _held(run, has_gpus=has_gpus) * span.seconds
        for run in runs
        for span in run.spans
        if span.kind != "queue"
    )
    return max(0.0, held * allocation.seconds - of_runs) / _S_PER_HOUR


def _add(sums: dict[str, float], span: Span, held: float, share: float | None) -> None:
    hours = held * span.seconds / _S_PER_HOUR
    if span.kind in ("startup", "end"):
        sums["startup"] += hours
    elif span.kind == "failed":
        sums["failed"] += hours
    elif span.kind == "run":
        busy = hours if share is None else hours * share
        sums["busy"] += busy
        sums["idle"] += hours - busy


def _busy_share(run: ReportRun, *, has_gpus: bool) -> float | None:
    """The busy part of what the run held, 0 to 1; None if a node or start was not measured."""
    starts = sum(span.kind == "run" for span in run.spans)
    if run.used is None or starts > 1 or len(run.used.hosts) < run.node_count:
        return None
    if has_gpus:
        busy = run.used.gpu_busy_mean_percent
        return None if busy is None else min(1.0, busy / 100)
    return min(1.0, run.used.cpu_cores_mean / run.unit.cpus) if run.unit.cpus else None
