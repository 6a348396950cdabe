"""When each run waited, started, ran and ended: a bar for each."""

from collections.abc import Sequence

from tmgg.console.durations import render_age, render_duration
from tmgg.report import drawing
from tmgg.report.drawing import Figure
from tmgg.report.labels import labels_apart, width_of
from tmgg.report.model import Report, ReportRun
from tmgg.report.scales import Scale

WIDTH = 900
_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 14, 8, 28
_TALLEST_ROW, _TALLEST = 16.0, 1400.0
_LEAST_FOR_LABELS = 11.0
_MOST_LETTERS = 56
_LONGEST_CLOCK_S = 2 * 86400
_UNITS_S = (
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 4 * 3600, 12 * 3600, 86400, 2 * 86400,
    7 * 86400, 30 * 86400,
)  # fmt: skip
WORDS = {
    "queue": "waiting for nodes",
    "startup": "starting",
    "run": "running",
    "failed": "running, and failed",
    "end": "ending",
}


def draw(report: Report) -> list[Figure]:
    """One picture; empty if no run has left a mark."""
    runs = [run for run in report.runs if run.spans]
    if not runs:
        return []
    begin = min(span.begin_s for run in runs for span in run.spans)
    end = max(span.end_s for run in runs for span in run.spans)
    row = min(_TALLEST_ROW, _TALLEST / len(runs))
    height = int(_TOP + _BOTTOM + row * len(runs))
    labels = labels_apart([run.title or run.run_id for run in runs], _MOST_LETTERS)
    left = max(_LEFT, width_of(labels) + 16) if row >= _LEAST_FOR_LABELS else _LEFT
    horizontal = Scale(0.0, max(end - begin, 1e-3), left, WIDTH - _RIGHT)
    parts = [_axis(horizontal, height)]
    for place, run in enumerate(runs):
        parts.append(_row(run, labels[place], _TOP + place * row, row, horizontal, begin))
    return [Figure("timeline", "when each run waited and ran", WIDTH, height, "".join(parts))]


def _row(
    run: ReportRun, label: str, y: float, height: float, horizontal: Scale, begin_s: float
) -> str:
    parts = []
    if height >= _LEAST_FOR_LABELS:
        x, low = horizontal.begin - 8, y + height * 0.75
        whole = run.title or run.run_id
        parts.append(drawing.text(x, low, label, whole=whole, anchor="end"))
    for span in run.spans:
        x = horizontal(span.begin_s - begin_s)
        width = horizontal(span.end_s - begin_s) - x
        words = f"{run.title or run.run_id}: {WORDS[span.kind]}, {render_age(span.seconds)}"
        bar = height * 0.8 if height > 2 else height
        parts.append(drawing.rectangle(x, y + height * 0.1, width, bar, span.kind, title=words))
    return "".join(parts)


def _axis(horizontal: Scale, height: int) -> str:
    parts = []
    for tick in _ticks(horizontal.high):
        x = horizontal(tick)
        parts.append(drawing.line(x, _TOP, x, height - _BOTTOM, "grid"))
        words = render_duration(tick) if tick < _LONGEST_CLOCK_S else render_age(tick)
        parts.append(drawing.text(x, height - 10, words, anchor="middle"))
    return "".join(parts)


def _ticks(seconds: float) -> Sequence[float]:
    unit = next((unit for unit in _UNITS_S if seconds / unit <= 8), _UNITS_S[-1])
    return [unit * k for k in range(int(seconds // unit) + 1)][:40]
