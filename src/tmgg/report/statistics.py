"""Groups of runs that differ only in their seed, and intervals of their means. Pure."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.console.overrides import Overrides
from tmgg.report.model import ReportRun
from tmgg.report.students_t import quantile_95

_SEEDS = ("seed", "random_seed", "random_state", "rng_seed", "seed_everything")
_GREATEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of a metric over seeds, and its 95 % interval if values are normally distributed."""

    mean: float
    low: float
    """`low` and `high` are the mean itself if there is only one value."""
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that differ only in their seed, or a single run."""

    overrides: Overrides
    """The overrides that its runs have in common; for a single run also its seed."""
    interval: Interval


def is_seed(key: str) -> bool:
    """Whether an override is a seed, by its name."""
    return key.lstrip("+").rpartition(".")[2].rpartition("@")[0].lower() in _SEEDS or (
        key.lstrip("+").rpartition(".")[2].lower() in _SEEDS
    )


def interval_of(values: Sequence[float]) -> Interval:
    """The interval of at least one finite value."""
    count = len(values)
    if count == 1:
        return Interval(values[0], values[0], values[0], 1)
    # Divide by the largest: sums and squares of large values may be too large for a float.
    unit = max(map(abs, values)) or 1.0
    parts = [value / unit for value in values]
    mean = math.fsum(parts) / count
    variance = math.fsum((part - mean) ** 2 for part in parts) / (count - 1)
    half = quantile_95(count) * math.sqrt(variance / count)
    low, middle, high = (
        max(-_GREATEST, min(_GREATEST, part * unit)) for part in (mean - half, mean, mean + half)
    )
    return Interval(middle, low, high, count)


def group_by_seed(runs: Sequence[ReportRun], metric: str) -> list[Group]:
    """The runs that completed with a finite value of the metric, in groups.

    A run without a seed is a group of its own. So is each run if two of them have the same seed:
    such runs do not show how a result varies over seeds.
    """
    alike: dict[frozenset[tuple[str, str]], list[tuple[Overrides, float]]] = {}
    for run in runs:
        value = finite(run, metric)
        if value is not None:
            rest = frozenset(pair for pair in run.overrides.items() if not is_seed(pair[0]))
            alike.setdefault(rest, []).append((run.overrides, value))
    return [group for members in alike.values() for group in _group(members)]


def _group(members: Sequence[tuple[Overrides, float]]) -> list[Group]:
    """The groups of runs that differ at most in their seeds."""
    seeds = [_seeds(overrides) for overrides, _value in members]
    if len(members) == 1 or len({*seeds}) < len(seeds) or () in seeds:
        return [Group(overrides, interval_of([value])) for overrides, value in members]
    rest = {key: text for key, text in members[0][0].items() if not is_seed(key)}
    return [Group(rest, interval_of([value for _overrides, value in members]))]


def _seeds(overrides: Overrides) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in overrides.items() if is_seed(pair[0])))


def finite(run: ReportRun, metric: str) -> float | None:
    """The metric of a completed run; None if it is missing or cannot be drawn."""
    value = run.metrics.get(metric)
    if value is None or run.status != "completed":
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
