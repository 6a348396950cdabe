"""Standard output is for answers, standard error for words about them."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tmgg.console.visible import visible

# Of the terminal's own palette, and none that is faint on white: yellow, white, bright ones.
STATUS_STYLES = {
    "completed": "green",
    "damaged": "red",
    "failed": "red",
    "foreign": "magenta",
    "ok": "green",
    "pending": "magenta",
    "problem": "red",
    "running": "cyan",
    "unknown": "magenta",
    "warning": "magenta",
}


def say(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def put(text: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(visible(text) + "\n")


def put_json(value: Mapping[str, Any]) -> None:
    """One JSON document on standard output.

    NaN and infinity become the texts "NaN", "Infinity" and "-Infinity".
    """
    put(json.dumps(as_strict_json(value), indent=2, allow_nan=False))


def put_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: coloured and fitted on a terminal, whole and aligned with spaces elsewhere.

    The column named `status` is coloured by its words.
    """
    if not rows:
        return
    if sys.stdout.isatty():
        _put_rich_table(columns, rows)
    else:
        put(render_table(columns, rows))


def render_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded with spaces and two between them; no cell is cut. Pure."""
    lines = [[visible(cell).replace("\n", " ") for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[index]) for row in lines) for index in range(len(columns))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in lines]
    return "\n".join("  ".join(row).rstrip() for row in padded)


def _put_rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # A twentieth of a second to import; pipes and scripts do without.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        # What is for copying stays whole; the last column gives way, and is cut at the edge.
        table.add_column(Text(visible(name)), no_wrap=name != columns[-1])
    for row in rows:
        styles = [
            STATUS_STYLES.get(cell, "") if name == "status" else ""
            for name, cell in zip(columns, row, strict=True)
        ]
        table.add_row(
            *(
                Text(visible(cell), style, no_wrap=True, overflow="ellipsis")
                for cell, style in zip(row, styles, strict=True)
            )
        )
    Console().print(table)


def as_strict_json(value: Any) -> Any:
    """The value without NaN and infinity, which JSON does not have; texts take their places."""
    if isinstance(value, Mapping):
        return {str(name): as_strict_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_strict_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
