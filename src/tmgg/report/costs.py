"""Where the hours of GPUs (of CPUs, where a sweep has no GPUs) went. Waiting is free. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.report.model import ReportRun, Span

_S_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Hours, by what became of them."""

    unit: str
    """`GPU` or `CPU`."""
    busy: float = 0.0
    """In runs that completed or go on, as far as the GPUs were busy."""
    idle: float = 0.0
    """In the same, the rest; 0 where nobody knows how busy they were."""
    startup: float = 0.0
    """Before an experiment began and after it ended."""
    failed: float = 0.0
    """In experiments that came to nothing."""
    is_idle_known: bool = False
    """For every run that had any."""

    @property
    def total(self) -> float:
        return self.busy + self.idle + self.startup + self.failed

    @property
    def wasted(self) -> float:
        return self.idle + self.startup + self.failed


def add_costs(runs: Sequence[ReportRun]) -> Costs | None:
    """None where no run says what it held, or none has begun."""
    has_gpus = any(run.unit.gpus for run in runs)
    if not has_gpus and not any(run.unit.cpus for run in runs):
        return None
    sums = {"busy": 0.0, "idle": 0.0, "startup": 0.0, "failed": 0.0}
    known: list[bool] = []
    for run in runs:
        held = run.unit.gpus if has_gpus else run.unit.cpus
        share = _busy_share(run, has_gpus=has_gpus)
        for span in run.spans:
            _add(sums, span, held, share)
        if any(span.kind == "run" for span in run.spans):
            known.append(share is not None)
    costs = Costs(
        unit="GPU" if has_gpus else "CPU", **sums, is_idle_known=bool(known) and all(known)
    )
    return costs if costs.total > 0 else None


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
    """Of what the run held, from 0 to 1; None where nobody knows."""
    if run.used is None:
        return None
    if has_gpus:
        busy = run.used.gpu_busy_mean_percent
        return None if busy is None else min(1.0, busy / 100)
    return min(1.0, run.used.cpu_cores_mean / run.unit.cpus) if run.unit.cpus else None
