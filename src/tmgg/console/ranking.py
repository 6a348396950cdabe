"""Which of several runs is the best: by one metric, least or greatest first."""

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
    """Raises ConfigError for a value that is not valid."""

    metric: str | None = None
    """None takes val_loss where there is one."""
    mode: RankingMode = "min"
    """Whether the least or the greatest is the best."""

    def __post_init__(self) -> None:
        if self.metric is not None:
            checks.printable("metric", self.metric)
        checks.one_of("metric_mode", self.mode, get_args(RankingMode))

    @property
    def name(self) -> str:
        """The metric that is looked at."""
        return self.metric or DEFAULT_METRIC

    def absent_from(self, names: Collection[str]) -> str:
        """What to say where somebody chose a metric that no run has; empty elsewhere. Pure."""
        if self.metric is None or not names or self.metric in names:
            return ""
        there_are = some_of(sorted(names), NAMES_SHOWN)
        return f"no run has the metric {self.metric!r}, so none is the best; there are {there_are}"

    def value(self, metrics: Mapping[str, float]) -> float | None:
        """None where the metric is missing or not a number: such a run is never the best."""
        found = metrics.get(self.name)
        value = None if found is None else _as_float(found)
        return None if value is None or math.isnan(value) else value

    def key(self, metrics: Mapping[str, float]) -> tuple[bool, float]:
        """For sorting, the best first and those without a value last."""
        value = self.value(metrics)
        if value is None:
            return True, 0.0
        return False, value if self.mode == "min" else -value


def _as_float(value: float) -> float:
    """Infinity stands for whole numbers beyond all floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
