"""Pieces of SVG: text made safe, axes, marks. Pure.

Colours are classes, so that a page can have them light or dark; see `figure_style`.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.console.visible import visible_line

SERIES_COLOURS = 8
LABEL_LETTERS = 24


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture."""

    name: str
    """Of its file, without a suffix."""
    title: str
    width: int
    height: int
    body: str
    """SVG without its outermost element."""

    def svg(self, style: str = "") -> str:
        """The whole element; `style` is CSS for where no page has any."""
        inside = f"<style>{style}</style>" if style else ""
        background = (
            f'<rect class="paper" width="{self.width}" height="{self.height}"/>' if style else ""
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" '
            f'aria-label="{escaped(self.title)}">{inside}{background}{self.body}</svg>'
        )


def escaped(text: str) -> str:
    """Text of anybody for HTML and SVG, between tags and in attributes, on one line."""
    return html.escape(visible_line(text), quote=True)


def shortened(text: str, letters: int = LABEL_LETTERS) -> str:
    """With its middle left out, for labels; the whole is in the title."""
    if len(text) <= letters:
        return text
    half = (letters - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "label") -> str:
    """A label whose whole text shows when pointed at, where it is shortened."""
    shown = shortened(words)
    whole = f"<title>{escaped(words)}</title>" if shown != words else ""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escaped(shown)}{whole}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def polyline(points: Sequence[tuple[float, float]], kind: str, *, title: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}">{_title(title)}</polyline>'


def circle(x: float, y: float, radius: float, kind: str, *, title: str = "") -> str:
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{_title(title)}</circle>'
    )


def rectangle(
    x: float, y: float, width: float, height: float, kind: str, *, title: str = ""
) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.8):.1f}" '
        f'height="{height:.1f}">{_title(title)}</rect>'
    )


def colour(index: int) -> str:
    """The class of a series."""
    return f"c{index % SERIES_COLOURS}"


def render_value(value: float) -> str:
    """Four digits, as labels of axes have them."""
    return f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places."""

    low: float
    high: float
    begin: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (self._warped(each) for each in (self.low, self.high, value))
        if high == low:
            return (self.begin + self.end) / 2
        return self.begin + (at - low) / (high - low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round values within the scale, at least one."""
        found = _log_ticks(self.low, self.high) if self.is_log else _ticks(self.low, self.high)
        return found or [self.low]

    def _warped(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def scale_of(values: Sequence[float], begin: float, end: float, *, room: float = 0.04) -> Scale:
    """A scale that holds the values; logarithmic where they are positive and far apart."""
    low, high = min(values), max(values)
    if low > 0 and high / low >= 50:
        grown = (high / low) ** room
        return Scale(low / grown, high * grown, begin, end, is_log=True)
    margin = (high - low) * room or abs(high) * 0.05 or 1.0
    return Scale(low - margin, high + margin, begin, end)


def _ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    width = high - low
    if width <= 0 or not math.isfinite(width):
        return [low]
    rough = width / wanted
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = math.ceil(low / step)
    count = min(20, math.floor(high / step) - first + 1)
    return [(first + k) * step for k in range(count)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [10.0**decade for decade in decades if low <= 10.0**decade <= high]
    stride = math.ceil(len(found) / 6)
    return found[::stride] if len(found) > 1 else _ticks(low, high)


def _title(words: str) -> str:
    return f"<title>{escaped(words)}</title>" if words else ""
