"""Tables of figures as plain text."""

import statistics
from collections.abc import Mapping, Sequence


def render_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they need to be."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def render_spread(values: Sequence[float], unit: str = "s") -> str:
    """Median, and the range when there are several."""
    median = statistics.median(values)
    if len(values) == 1:
        return f"{median:.2f} {unit}"
    return f"{median:.2f} {unit} ({min(values):.2f}-{max(values):.2f})"


def render_ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """How many times the peer's median ours is."""
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}x"


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The values of each key over all samples."""
    return {key: [sample[key] for sample in samples] for key in samples[0]}
