"""Learning curves: a picture for each name that runs logged, with a line for each run."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from tmgg.report import drawing
from tmgg.report.drawing import Figure
from tmgg.report.labels import width_of
from tmgg.report.model import Report, ReportRun
from tmgg.report.scales import Scale, scale_of

WIDTH, HEIGHT = 380, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 22, 36
MOST_FIGURES = 12
_COLOURED = 8


def draw(report: Report) -> list[Figure]:
    """Pictures of the names that most runs logged, the objective first. May be empty."""
    counts = Counter(curve.name for run in report.runs for curve in run.curves)
    metric = report.ranking.name
    names = sorted(counts, key=lambda name: (name != metric, -counts[name], name))
    ranked = _ranked(report)
    return [_draw(ranked, name) for name in names[:MOST_FIGURES]]


def legend(report: Report) -> list[tuple[str, str]]:
    """The CSS classes of the coloured lines, with the names of their runs."""
    named = [
        (drawing.colour(place), run.title or run.run_id)
        for place, run in enumerate(_ranked(report)[:_COLOURED])
        if run.curves and run.status != "failed"
    ]
    return named if len(named) > 1 else []


def _ranked(report: Report) -> list[ReportRun]:
    return sorted(report.runs, key=lambda run: report.ranking.key(run.metrics))


def _draw(ranked: Sequence[ReportRun], name: str) -> Figure:
    lines = [
        (place, run, curve.points)
        for place, run in enumerate(ranked)
        for curve in run.curves
        if curve.name == name
    ]
    steps = [x for _place, _run, points in lines for x, _y in points]
    values = [y for _place, _run, points in lines for _x, y in points if math.isfinite(y)]
    vertical = scale_of(values, HEIGHT - _BOTTOM, _TOP)
    ticks = vertical.labelled_ticks()
    left = max(_LEFT, width_of([words for _tick, words in ticks]) + 10)
    horizontal = scale_of(steps, left, WIDTH - _RIGHT, room=0.01)
    if horizontal.is_log:  # a log scale of steps would hide most of a training
        horizontal = Scale(min(steps), max(steps), left, WIDTH - _RIGHT)
    parts = []
    for tick, words in ticks:
        y = vertical(tick)
        parts.append(drawing.line(left, y, WIDTH - _RIGHT, y, "grid"))
        parts.append(drawing.text(left - 6, y + 4, words, whole=words, anchor="end"))
    for tick, words in horizontal.labelled_ticks():
        parts.append(drawing.text(horizontal(tick), HEIGHT - 20, words, anchor="middle"))
    low = HEIGHT - _BOTTOM
    parts.append(drawing.line(left, low, WIDTH - _RIGHT, low, "axis"))
    parts.append(drawing.text(4, 12, vertical.named(name), kind="name"))
    parts.append(drawing.text(WIDTH - _RIGHT, HEIGHT - 5, "step or epoch", anchor="end"))
    for place, run, points in reversed(lines):
        kind = f"curve {drawing.colour(place)}" if place < _COLOURED else "curve other"
        if run.status == "failed":
            kind = "curve bad"
        for stretch in stretches(points):
            shown = [(horizontal(x), vertical(y)) for x, y in stretch]
            parts.append(drawing.polyline(shown, kind, title=run.title or run.run_id))
    file = "".join(each if each.isascii() and each.isalnum() else "_" for each in name)
    return Figure(f"curve_{file}", name, WIDTH, HEIGHT, "".join(parts))


def stretches(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The parts of the curve that have values. A single value becomes a line of length 0, a dot."""
    parts = groupby(points, key=lambda point: math.isfinite(point[1]))
    found = [list(part) for has_values, part in parts if has_values]
    return [part if len(part) > 1 else part * 2 for part in found]
