"""Parallel coordinates: each run is a line through its hyperparameters to its objective."""

import math
from collections.abc import Sequence

from tmgg.console.numbers import render_numbers
from tmgg.console.overrides import short_names, typed, varying
from tmgg.report import drawing
from tmgg.report.drawing import Figure
from tmgg.report.figures.by_parameter import in_order
from tmgg.report.labels import label_of_value, labels_apart, width_of
from tmgg.report.model import Report, ReportRun
from tmgg.report.scales import Scale, scale_of
from tmgg.report.statistics import finite

HEIGHT = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 116, 96, 44, 18
_LETTERS = 14
"""The most letters of an axis label: there is room for so many left of the first axis."""
_AXIS_WIDTH = 150
MOST_AXES = 9
MOST_WORDS = 12
MOST_VALUES = 6
"""Up to so many numbers are labels themselves; if there are more, labels are round numbers."""
_BINS = 5
"""The number of colours of lines: the colour shows how good a run is."""


def draw(report: Report) -> list[Figure]:
    """One picture; empty if fewer than two runs have the objective, or nothing varies."""
    metric = report.ranking.name
    runs = [run for run in report.runs if finite(run, metric) is not None and run.overrides]
    keys = varying([run.overrides for run in runs])[: MOST_AXES - 1] if len(runs) > 1 else []
    if not keys:
        return []
    axes = [_Axis(runs, key, _LEFT + place * _AXIS_WIDTH) for place, key in enumerate(keys)]
    objective = _Objective(runs, metric, _LEFT + len(keys) * _AXIS_WIDTH)
    width = math.ceil(objective.x + objective.room)
    # The best run is drawn last, on top of the others.
    ordered = sorted(runs, key=lambda run: report.ranking.key(run.metrics), reverse=True)
    body = "".join(
        _line(run, axes, objective, report, place, len(ordered))
        for place, run in enumerate(ordered)
    )
    names = short_names(keys)
    body += "".join(axis.drawn(names[axis.key]) for axis in axes) + objective.drawn(metric)
    title = f"hyperparameters and {metric}, a line for each run"
    return [Figure("parallel_coordinates", title, width, HEIGHT, body)]


class _Axis:
    """The axis of a hyperparameter: numbers by size, words one after the other."""

    def __init__(self, runs: Sequence[ReportRun], key: str, x: float) -> None:
        self.key, self.x = key, x
        texts = in_order([run.overrides.get(key, "") for run in runs])
        numbers = [_number(text) for text in texts]
        known = [number for number in numbers if number is not None]
        self._scale: Scale | None = None
        self._words = texts
        if len(known) == len(texts) and len(known) > 2:
            self._scale = scale_of(known, HEIGHT - _BOTTOM, _TOP)

    def _named(self, name: str) -> str:
        return name if self._scale is None else self._scale.named(name)

    def place(self, text: str) -> float:
        number = _number(text)
        if self._scale is not None and number is not None:
            return self._scale(number)
        count = len(self._words)
        return HEIGHT - _BOTTOM - (self._words.index(text) + 0.5) * _room() / count

    def drawn(self, name: str) -> str:
        parts = [
            drawing.line(self.x, _TOP, self.x, HEIGHT - _BOTTOM, "axis"),
            drawing.text(self.x, _TOP - 24, self._named(name), anchor="middle", kind="name"),
        ]
        if self._scale is not None and len(self._words) > MOST_VALUES:
            for tick, words in self._scale.labelled_ticks():
                parts.append(_label(self.x, self._scale(tick), words, words))
            return "".join(parts)
        stride = math.ceil(len(self._words) / MOST_WORDS)
        shown = self._words[::stride]
        whole = [label_of_value(word) for word in shown]
        labels = labels_apart(whole, _LETTERS)
        parts += [
            _label(self.x, self.place(word), label, told)
            for word, label, told in zip(shown, labels, whole, strict=True)
        ]
        return "".join(parts)


class _Objective:
    """The axis of the metric, on the right."""

    def __init__(self, runs: Sequence[ReportRun], metric: str, x: float) -> None:
        self.x = x
        values = [value for run in runs if (value := finite(run, metric)) is not None]
        self._scale = scale_of(values, HEIGHT - _BOTTOM, _TOP)
        self._ticks = self._scale.labelled_ticks()
        self._words = dict(zip(values, render_numbers(values), strict=True))
        self.room = max(_RIGHT, width_of([words for _tick, words in self._ticks]) + 14)

    def render(self, value: float) -> str:
        return self._words[value]

    def place(self, value: float) -> float:
        return self._scale(value)

    def drawn(self, metric: str) -> str:
        parts = [drawing.line(self.x, _TOP, self.x, HEIGHT - _BOTTOM, "axis")]
        name = self._scale.named(metric)
        parts.append(drawing.text(self.x, _TOP - 24, name, anchor="middle", kind="name"))
        for tick, words in self._ticks:
            y = self._scale(tick) + 4
            parts.append(drawing.text(self.x + 7, y, words, whole=words, kind="halo"))
        return "".join(parts)


def _line(
    run: ReportRun,
    axes: Sequence[_Axis],
    objective: _Objective,
    report: Report,
    place: int,
    count: int,
) -> str:
    """`place` is 0 for the worst of `count` runs."""
    value = finite(run, report.ranking.name)
    assert value is not None
    points = [(axis.x, axis.place(run.overrides.get(axis.key, ""))) for axis in axes]
    points.append((objective.x, objective.place(value)))
    step = _BINS - 1 - place * _BINS // count
    words = f"{run.title}: {report.ranking.name} {objective.render(value)}"
    return drawing.polyline(points, f"run q{step}", title=words)


def _label(x: float, y: float, words: str, whole: str) -> str:
    return drawing.text(x - 7, y + 4, words, whole=whole, anchor="end", kind="halo")


def _number(text: str) -> float | None:
    value = typed(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _room() -> float:
    return HEIGHT - _TOP - _BOTTOM
