"""The figures of a report as files: always SVG, and PNG if resvg is installed."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.report.drawing import Figure
from tmgg.report.style import figure_style

READABLE = 0o644
SCALE = 2
"""Pixels of a PNG per unit of the SVG."""


def can_draw_png() -> bool:
    """Whether resvg, which draws SVG, is installed (the extra `report`)."""
    return importlib.util.find_spec("resvg_py") is not None


def save_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write all figures, and return the files written. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    css = figure_style()
    written = []
    for name, figure in zip(_names(figures), figures, strict=True):
        svg = figure.svg(css)
        written.append(folder / f"{name}.svg")
        write_atomic(written[-1], svg.encode(), mode=READABLE)
        if can_draw_png():
            written.append(folder / f"{name}.png")
            write_atomic(written[-1], render_png(svg), mode=READABLE)
    return written


def render_png(svg: str) -> bytes:
    """A picture of twice the size, with the fonts of this machine."""
    # A package of some megabytes, which only users who want pictures install.
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=SCALE))


def _names(figures: Sequence[Figure]) -> list[str]:
    """A different file name for each figure, even if two figures have the same name."""
    names: list[str] = []
    for figure in figures:
        count = sum(figure.name == each.name for each in figures[: len(names)])
        names.append(figure.name if count == 0 else f"{figure.name}_{count + 1}")
    return names
