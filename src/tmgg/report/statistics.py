"""Runs that differ in their seed only, and the intervals of their means. Pure."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.console.overrides import Overrides
from tmgg.report.model import ReportRun

_SEEDS = ("seed", "random_seed", "random_state", "rng_seed", "seed_everything")
# Student's t for 95 % between -t and t, by degrees of freedom (any table of it).
_STUDENT_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
_NORMAL = 1.960
_GREATEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of a metric over seeds, and where it lies with 95 % if values are normal."""

    mean: float
    low: float
    """As `high`, the mean itself where there is one value only."""
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that differ in nothing but their seed."""

    overrides: Overrides
    """Without the seed."""
    interval: Interval


def is_seed(key: str) -> bool:
    """Whether an override is a seed, by its name."""
    return key.lstrip("+").rpartition(".")[2].rpartition("@")[0].lower() in _SEEDS or (
        key.lstrip("+").rpartition(".")[2].lower() in _SEEDS
    )


def interval_of(values: Sequence[float]) -> Interval:
    """Of at least one finite value."""
    count = len(values)
    if count == 1:
        return Interval(values[0], values[0], values[0], 1)
    # In parts of the largest: sums and squares of large values are beyond all floats.
    unit = max(map(abs, values)) or 1.0
    parts = [value / unit for value in values]
    mean = math.fsum(parts) / count
    variance = math.fsum((part - mean) ** 2 for part in parts) / (count - 1)
    quantile = _STUDENT_T[count - 2] if count - 2 < len(_STUDENT_T) else _NORMAL
    half = quantile * math.sqrt(variance / count)
    low, middle, high = (
        max(-_GREATEST, min(_GREATEST, part * unit)) for part in (mean - half, mean, mean + half)
    )
    return Interval(middle, low, high, count)


def group_by_seed(runs: Sequence[ReportRun], metric: str) -> list[Group]:
    """The runs that completed with a finite value of the metric, in groups."""
    groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for run in runs:
        value = finite(run, metric)
        if value is not None:
            rest = tuple((key, text) for key, text in run.overrides.items() if not is_seed(key))
            groups.setdefault(rest, []).append(value)
    return [Group(dict(rest), interval_of(values)) for rest, values in groups.items()]


def finite(run: ReportRun, metric: str) -> float | None:
    """The metric of a run that completed; None where there is none that can be drawn."""
    value = run.metrics.get(metric)
    if value is None or run.status != "completed":
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
