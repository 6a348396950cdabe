"""Ranks runs by one metric: the least or the greatest value is the best."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.some_names import some_of

RankingMode = Literal["min", "max"]
DEFAULT_METRIC = "val_loss"
NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Ranking:
    """A metric, and which of its values is the best. Raises ConfigError for an invalid field."""

    metric: str | None = None
    """None: use `val_loss`, if runs have it."""
    mode: RankingMode = "min"
    """Whether the least or the greatest is the best."""

    def __post_init__(self) -> None:
        if self.metric is not None:
            checks.printable("metric", self.metric)
        checks.one_of("metric_mode", self.mode, get_args(RankingMode))

    @property
    def name(self) -> str:
        """The metric that is compared."""
        return self.metric or DEFAULT_METRIC

    def absent_from(self, names: Collection[str]) -> str:
        """A message if the user chose a metric that no run has; otherwise empty. Pure."""
        if self.metric is None or not names or self.metric in names:
            return ""
        there_are = some_of(sorted(names), NAMES_SHOWN)
        return f"no run has the metric {self.metric!r}, so none is the best; there are {there_are}"

    def value(self, metrics: Mapping[str, float]) -> float | None:
        """The metric; None if it is missing or NaN. Such a run is never the best."""
        found = metrics.get(self.name)
        value = None if found is None else _as_float(found)
        return None if value is None or math.isnan(value) else value

    def key(self, metrics: Mapping[str, float]) -> tuple[bool, float]:
        """A sort key: the best run first, runs without a value last."""
        value = self.value(metrics)
        if value is None:
            return True, 0.0
        return False, value if self.mode == "min" else -value


def _as_float(value: float) -> float:
    """`value` as a float; infinity for an integer that is too large for a float."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
