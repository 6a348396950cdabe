"""The objective by each hyperparameter that varies, with intervals over seeds."""

from collections.abc import Sequence

from tmgg.console.overrides import short_names, typed, varying
from tmgg.report import drawing
from tmgg.report.drawing import Figure, Scale, scale_of
from tmgg.report.model import Report
from tmgg.report.statistics import Group, group_by_seed, is_seed

WIDTH, HEIGHT = 380, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 26, 52
MOST_VALUES = 24
MOST_FIGURES = 8
_WIDEST_DODGE = 0.6


def draw(report: Report) -> list[Figure]:
    """One for each hyperparameter but the seed; none where nothing varies or nothing completed."""
    metric = report.ranking.name
    groups = group_by_seed(report.runs, metric)
    keys = [key for key in varying([group.overrides for group in groups]) if not is_seed(key)]
    if len(groups) < 2:
        return []
    names = short_names(keys)
    return [_draw(groups, key, names[key], metric) for key in keys[:MOST_FIGURES]]


def in_order(texts: Sequence[str]) -> list[str]:
    """Values of a hyperparameter, numbers by size and before words."""

    def key(text: str) -> tuple[bool, float, str]:
        value = typed(text)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return (not is_number, float(value) if is_number else 0.0, text)  # type: ignore[arg-type]

    return sorted(set(texts), key=key)


def _draw(groups: Sequence[Group], key: str, name: str, metric: str) -> Figure:
    values = in_order([group.overrides.get(key, "") for group in groups])[:MOST_VALUES]
    vertical = scale_of(_ends(groups), HEIGHT - _BOTTOM, _TOP)
    parts = [_axes(vertical, values, name, metric)]
    for place, value in enumerate(values):
        members = [group for group in groups if group.overrides.get(key, "") == value]
        members.sort(key=lambda group: group.interval.mean)
        parts.append(_column(members, _centre(place, len(values)), vertical, len(values), metric))
    return Figure(f"by_{_file_name(name)}", f"{metric} by {name}", WIDTH, HEIGHT, "".join(parts))


def _ends(groups: Sequence[Group]) -> list[float]:
    """Of two seeds an interval may be many times as long as all means are apart: it is cut then."""
    means = [group.interval.mean for group in groups]
    apart = max(means) - min(means)
    low = max(min(group.interval.low for group in groups), min(means) - apart)
    high = min(max(group.interval.high for group in groups), max(means) + apart)
    return [low, high] if high > low else means


def _centre(place: int, count: int) -> float:
    return _LEFT + (place + 0.5) * (WIDTH - _LEFT - _RIGHT) / count


def _column(
    members: Sequence[Group], centre: float, vertical: Scale, count: int, metric: str
) -> str:
    """The groups with one value, side by side, the median marked."""
    room = _WIDEST_DODGE * (WIDTH - _LEFT - _RIGHT) / count
    parts = []
    for place, group in enumerate(members):
        x = centre + ((place + 0.5) / len(members) - 0.5) * room
        parts.append(_mark(group, x, vertical, metric))
    if len(members) > 2:
        median = members[len(members) // 2].interval.mean
        y = vertical(median)
        parts.append(drawing.line(centre - room * 0.6, y, centre + room * 0.6, y, "median"))
    return "".join(parts)


def _mark(group: Group, x: float, vertical: Scale, metric: str) -> str:
    interval = group.interval
    set_to = " ".join(f"{key}={value}" for key, value in group.overrides.items())
    mean = drawing.render_value(interval.mean)
    words = f"{set_to}: {metric} {mean}"
    bar = ""
    if interval.count > 1:
        words += f" ({interval.count} seeds, 95 %: {drawing.render_value(interval.low)} to "
        words += f"{drawing.render_value(interval.high)})"
        ends = (max(interval.low, vertical.low), min(interval.high, vertical.high))
        bar = drawing.line(x, vertical(ends[0]), x, vertical(ends[1]), "interval")
    return bar + drawing.circle(x, vertical(interval.mean), 3.5, "dot", title=words)


def _axes(vertical: Scale, values: Sequence[str], name: str, metric: str) -> str:
    right, low = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = [drawing.line(_LEFT, low, right, low, "axis")]
    for tick in vertical.ticks():
        y = vertical(tick)
        parts.append(drawing.line(_LEFT, y, right, y, "grid"))
        parts.append(drawing.text(_LEFT - 6, y + 4, drawing.render_value(tick), anchor="end"))
    stride = max(1, len(values) // 8)
    letters = max(4, int((right - _LEFT) / 6.5 / len(values) * stride))
    for place, value in enumerate(values):
        if place % stride == 0:
            x = _centre(place, len(values))
            words = drawing.shortened(value or "(not set)", letters)
            parts.append(drawing.text(x, low + 16, words, anchor="middle"))
    middle = (_LEFT + right) / 2
    parts.append(drawing.text(middle, HEIGHT - 10, name, anchor="middle", kind="name"))
    parts.append(drawing.text(4, 11, metric, kind="name"))
    return "".join(parts)


def _file_name(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
