"""Pieces of SVG: escaped text, marks. Pure.

Colours are CSS classes, so that a page can be light or dark; see `figure_style`.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.console.visible import visible_line
from tmgg.report.labels import shortened

SERIES_COLOURS = 8


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture."""

    name: str
    """The name of its file, without a suffix."""
    title: str
    width: int
    height: int
    body: str
    """SVG without its outermost element."""

    def svg(self, style: str = "") -> str:
        """The whole element; `style` is CSS for a figure outside a page."""
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
    """Foreign text made safe for HTML and SVG, between tags and in attributes, on one line."""
    return html.escape(visible_line(text), quote=True)


def text(
    x: float,
    y: float,
    words: str,
    *,
    whole: str | None = None,
    anchor: str = "start",
    kind: str = "label",
) -> str:
    """A label. If it is shortened, its whole text is shown when the user points at it.

    `whole` is the whole text if `words` are already shortened.
    """
    shown, told = (shortened(words), words) if whole is None else (words, whole)
    title = f"<title>{escaped(told)}</title>" if shown != told else ""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escaped(shown)}{title}</text>"
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
    """Four significant digits, as in labels of axes."""
    return f"{value:.4g}"


def _title(words: str) -> str:
    return f"<title>{escaped(words)}</title>" if words else ""
