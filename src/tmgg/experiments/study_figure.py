"""A study as a figure: how far each model goes from edge-only to the block oracle. Pure."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from tmgg.experiments.study_table import Study, cells_of, interval, measured_in, values_of

_COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
_LEFT, _TOP, _HEIGHT, _COLUMN = 60, 20, 300, 62
_LEGEND = 18
_LEAST, _MOST = -0.25, 1.0


def render_figure(study: Study) -> str:
    """SVG with a column for each shift that has a gap, or one for the test set if there are none.

    Each model has a mark, with a bar for the 95 % interval over seeds. The Bayes optimum is grey.
    """
    first = next(metrics for seeds in study.values() for metrics in seeds.values())
    gaps = {cell: f"shift_{cell}_gap_closed" for cell in cells_of(study)}
    columns = {cell: metric for cell, metric in gaps.items() if metric in first}
    columns = columns or {measured_in(study).graphs: measured_in(study).gap_closed}
    width = max(_LEFT + _COLUMN * len(columns) + 20, 320)
    parts = [*_axis(width)]
    for place, (cell, metric) in enumerate(columns.items()):
        x = _LEFT + _COLUMN * (place + 0.5)
        parts += _optimum(first, cell, x)
        parts.append(_turned(cell, x))
        for number, model in enumerate(study):
            offset = (number + 0.5) / len(study) - 0.5
            parts += _mark(values_of(study, model, metric), x + 0.7 * _COLUMN * offset, number)
    bottom = _TOP + _HEIGHT + 110
    for number, model in enumerate(study):
        y = bottom + _LEGEND * number
        parts.append(_circle(_LEFT, y, number))
        parts.append(_text(model, _LEFT + 12, y + 4))
    height = bottom + _LEGEND * len(study)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _axis(width: float) -> list[str]:
    parts = [_text("gap closed", 4, _TOP - 6)]
    for tick in (-0.25, 0.0, 0.25, 0.5, 0.75, 1.0):
        y = _height(tick)
        color = "#888" if tick in (0.0, 1.0) else "#ddd"
        parts.append(_line(_LEFT, y, width - 20, y, color))
        parts.append(_text(f"{tick:g}", 24, y + 4))
    return parts


def _optimum(first: dict[str, float], cell: str, x: float) -> list[str]:
    ends = [first.get(f"shift_{cell}_optimum_gap_closed_{side}") for side in ("low", "high")]
    if ends[0] is None or ends[1] is None:
        return []
    top, bottom = _height(ends[1]), _height(ends[0])
    left, width = x - 0.4 * _COLUMN, 0.8 * _COLUMN
    return [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{max(bottom - top, 2):.1f}" fill="#bbb"/>'
    ]


def _mark(values: Sequence[float], x: float, number: int) -> list[str]:
    mean, half = interval(values)
    parts = [_circle(x, _height(mean), number)]
    if not math.isnan(half):
        color = _COLORS[number % len(_COLORS)]
        parts.append(_line(x, _height(mean - half), x, _height(mean + half), color))
    return parts


def _height(value: float) -> float:
    cut = min(max(value, _LEAST), _MOST)
    return _TOP + _HEIGHT * (_MOST - cut) / (_MOST - _LEAST)


def _circle(x: float, y: float, number: int) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLORS[number % len(_COLORS)]}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def _text(words: str, x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _turned(words: str, x: float) -> str:
    y = _TOP + _HEIGHT + 12
    return f'<text transform="translate({x:.1f} {y}) rotate(40)">{escape(words)}</text>'
