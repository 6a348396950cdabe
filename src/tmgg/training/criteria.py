"""Whether a run reached what its stage asks for."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tmgg.errors import ConfigError
from tmgg.models import MODELS
from tmgg.training.parsing import parse_dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One bound on one metric."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    model: str | None = None
    """The model that the criterion is for; null means every model."""

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ConfigError(
                f"the criterion for {self.metric} has neither at_least nor at_most; give it one"
            )
        if self.model is not None and self.model not in MODELS:
            raise ConfigError(
                f"the criterion for {self.metric} is for the model {self.model!r}; "
                f"known names: {', '.join(MODELS)} (null is any model, also one of your own)"
            )

    def is_met(self, metrics: Mapping[str, float]) -> bool:
        """Whether the metric is within the bounds. False if it is missing or NaN."""
        value = metrics.get(self.metric, math.nan)
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= value <= high

    def render(self, metrics: Mapping[str, float]) -> str:
        """The value and the bounds, in words."""
        bounds = [("at least", self.at_least), ("at most", self.at_most)]
        asked = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
        value = metrics.get(self.metric)
        found = "not measured" if value is None else f"{value:.4g}"
        verdict = "ok" if self.is_met(metrics) else "NOT MET"
        return f"{self.metric} {found} ({asked}): {verdict}"


def parse_criteria(value: object) -> tuple[Criterion, ...]:
    """From the list under `criteria:` of a config; raises ConfigError."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        raise ConfigError(f"criteria is {value!r}; expected a list of groups of keys")
    return tuple(parse_dataclass(Criterion, item, group="criteria") for item in value)


def for_model(criteria: Iterable[Criterion], model: str) -> list[Criterion]:
    """The criteria that hold for this model."""
    return [item for item in criteria if item.model in (None, model)]
