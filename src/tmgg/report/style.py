"""The style: light or dark for a page, light for a figure in its own file. Pure."""

import re
from importlib.resources import files

LIGHT = {
    "paper": "#ffffff", "ink": "#1f2328", "faint": "#59636e", "rule": "#d1d9e0", "panel": "#f6f8fa",
    "good": "#1a7f37", "bad": "#c62828", "wait": "#b8c1cc", "start": "#d99a1c", "idle": "#e7cf8a",
    "run": "#2f6fbb", "end": "#7d8a99", "link": "#0550ae",
    "c0": "#0072b2", "c1": "#d55e00", "c2": "#009e73", "c3": "#aa4499", "c4": "#8a6d00",
    "c5": "#56a3d9", "c6": "#882255", "c7": "#555555", "other": "#b8c1cc",
    "q0": "#0b4f8a", "q1": "#3f83bd", "q2": "#7fb0d8", "q3": "#b3cfe6", "q4": "#d5dde5",
}  # fmt: skip
DARK = {
    "paper": "#0d1117", "ink": "#e6edf3", "faint": "#9198a1", "rule": "#30363d", "panel": "#161b22",
    "good": "#4cc66a", "bad": "#ff6b63", "wait": "#444c56", "start": "#d29922", "idle": "#6b5a1e",
    "run": "#4493f8", "end": "#6e7681", "link": "#79b8ff",
    "c0": "#4aa8e0", "c1": "#ff8a3d", "c2": "#2fc79b", "c3": "#d783cc", "c4": "#d9b83a",
    "c5": "#8ecbf2", "c6": "#d46a97", "c7": "#b0b8c0", "other": "#444c56",
    "q0": "#9fd0ff", "q1": "#5a9bd6", "q2": "#3b6c9c", "q3": "#2b4a68", "q4": "#263442",
}  # fmt: skip
_VARIABLE = re.compile(r"var\(--([a-z0-9]+)\)")


def page_style() -> str:
    """All the CSS of a page."""
    light, dark = (_variables(palette) for palette in (LIGHT, DARK))
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        f"{_read('page.css')}\n{_read('figure.css')}"
    )


def figure_style() -> str:
    """The CSS of a figure in its own file, without variables: not all programs know them."""
    return _VARIABLE.sub(lambda found: LIGHT[found[1]], _read("figure.css"))


def page_script() -> str:
    """All the JavaScript of a page."""
    return _read("page.js")


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in palette.items())


def _read(name: str) -> str:
    return (files("tmgg.report") / name).read_text(encoding="utf-8")
