"""The objective by each hyperparameter that varies, with intervals over seeds."""

from collections.abc import Sequence
from statistics import median

from tmgg.console.numbers import render_numbers
from tmgg.console.overrides import short_names, typed, varying
from tmgg.report import drawing
from tmgg.report.drawing import Figure
from tmgg.report.labels import LETTER_WIDTH, label_of_value, labels_apart, width_of
from tmgg.report.model import Report
from tmgg.report.scales import Scale, scale_of
from tmgg.report.statistics import Group, group_by_seed, is_seed

WIDTH, HEIGHT = 380, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 26, 52
MOST_VALUES = 24
MOST_FIGURES = 8
_WIDEST_DODGE = 0.6


def draw(report: Report) -> list[Figure]:
    """One figure for each hyperparameter that varies, except the seed. May be empty."""
    metric = report.ranking.name
    groups = group_by_seed(report.runs, metric)
    keys = [key for key in varying([group.overrides for group in groups]) if not is_seed(key)]
    if len(groups) < 2:
        return []
    names = short_names(keys)
    return [_draw(groups, key, names[key], metric) for key in keys[:MOST_FIGURES]]


def in_order(texts: Sequence[str]) -> list[str]:
    """Values of a hyperparameter: first numbers by size, then words."""

    def key(text: str) -> tuple[bool, float, str]:
        value = typed(text)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return (not is_number, float(value) if is_number else 0.0, text)  # type: ignore[arg-type]

    return sorted(set(texts), key=key)


def _draw(groups: Sequence[Group], key: str, name: str, metric: str) -> Figure:
    values = in_order([group.overrides.get(key, "") for group in groups])[:MOST_VALUES]
    vertical = scale_of(_ends(groups), HEIGHT - _BOTTOM, _TOP)
    picture = _Picture(groups, vertical, metric)
    parts = [picture.axes(values, name)]
    for place, value in enumerate(values):
        members = [group for group in groups if group.overrides.get(key, "") == value]
        members.sort(key=lambda group: group.interval.mean)
        parts.append(picture.column(members, place, len(values)))
    return Figure(f"by_{_file_name(name)}", f"{metric} by {name}", WIDTH, HEIGHT, "".join(parts))


def _ends(groups: Sequence[Group]) -> list[float]:
    """The ends of the axis. Intervals that are much longer than the means are apart are cut."""
    means = [group.interval.mean for group in groups]
    apart = max(means) - min(means)
    low = max(min(group.interval.low for group in groups), min(means) - apart)
    high = min(max(group.interval.high for group in groups), max(means) + apart)
    return [low, high] if high > low else means


class _Picture:
    """Draws the parts of one picture."""

    def __init__(self, groups: Sequence[Group], vertical: Scale, metric: str) -> None:
        self._vertical, self._metric = vertical, metric
        self._ticks = vertical.labelled_ticks()
        self._left = max(_LEFT, width_of([words for _tick, words in self._ticks]) + 10)
        means = [group.interval.mean for group in groups]
        self._means = dict(zip(means, render_numbers(means), strict=True))

    def axes(self, values: Sequence[str], name: str) -> str:
        left, right, low = self._left, WIDTH - _RIGHT, HEIGHT - _BOTTOM
        parts = [drawing.line(left, low, right, low, "axis")]
        for tick, words in self._ticks:
            y = self._vertical(tick)
            parts.append(drawing.line(left, y, right, y, "grid"))
            parts.append(drawing.text(left - 6, y + 4, words, whole=words, anchor="end"))
        stride = max(1, len(values) // 8)
        letters = max(4, int((right - left) / LETTER_WIDTH / len(values) * stride))
        whole = [label_of_value(value) for value in values[::stride]]
        for place, words in enumerate(labels_apart(whole, letters)):
            x = self._centre(place * stride, len(values))
            parts.append(drawing.text(x, low + 16, words, whole=whole[place], anchor="middle"))
        middle = (left + right) / 2
        parts.append(drawing.text(middle, HEIGHT - 10, name, anchor="middle", kind="name"))
        parts.append(drawing.text(4, 11, self._vertical.named(self._metric), kind="name"))
        return "".join(parts)

    def column(self, members: Sequence[Group], place: int, count: int) -> str:
        """The groups with the same value, side by side, with a mark for the median."""
        centre = self._centre(place, count)
        room = _WIDEST_DODGE * (WIDTH - self._left - _RIGHT) / count
        parts = []
        for number, group in enumerate(members):
            x = centre + ((number + 0.5) / len(members) - 0.5) * room
            parts.append(self._mark(group, x))
        if len(members) > 2:
            y = self._vertical(median(group.interval.mean for group in members))
            parts.append(drawing.line(centre - room * 0.6, y, centre + room * 0.6, y, "median"))
        return "".join(parts)

    def _centre(self, place: int, count: int) -> float:
        return self._left + (place + 0.5) * (WIDTH - self._left - _RIGHT) / count

    def _mark(self, group: Group, x: float) -> str:
        interval, vertical = group.interval, self._vertical
        set_to = " ".join(f"{key}={value}" for key, value in group.overrides.items())
        words = f"{set_to}: {self._metric} {self._means[interval.mean]}"
        bar = ""
        if interval.count > 1:
            low, high = render_numbers([interval.low, interval.high])
            words += f" ({interval.count} seeds, 95 %: {low} to {high})"
            ends = (max(interval.low, vertical.low), min(interval.high, vertical.high))
            bar = drawing.line(x, vertical(ends[0]), x, vertical(ends[1]), "interval")
        return bar + drawing.circle(x, vertical(interval.mean), 3.5, "dot", title=words)


def _file_name(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
