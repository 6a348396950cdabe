"""Tables without cut values: columns that do not fit are left out, and a line names them."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tmgg.console.printing import STATUS_STYLES, forgive_stdout
from tmgg.console.streams import answer_console, answering
from tmgg.console.visible import visible_line
from tmgg.console.words import width_of_terminal

GAP = 2
"""Spaces between columns."""
NEVER_LEFT_OUT = 0
PROSE_WIDTH = 40
"""The width that a column of prose needs at most; longer cells may be cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table, with a cell for each row."""

    name: str
    cells: Sequence[str]
    rank: int = NEVER_LEFT_OUT
    """Columns with a greater rank are left out earlier."""
    short: Sequence[str] | None = None
    """Shorter cells, for a table that has no room for the whole ones."""
    is_number: bool = False
    full: str = ""
    """Its name in the files of a sweep's summary; shown if another column has the same name."""
    is_prose: bool = False
    """The last column, with text that may be cut at the terminal's edge."""

    def width(self, measure: Callable[[str], int]) -> int:
        longest = max(map(measure, [self.name, *self.cells]))
        return min(longest, PROSE_WIDTH) if self.is_prose else longest


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is shown of a table."""

    columns: list[Column]
    left_out: list[str]
    """The columns that have no room, by name."""


def fit(
    columns: Sequence[Column], width: int | None, measure: Callable[[str], int] = len
) -> Fitted:
    """The columns that have room, none of them cut; all columns if `width` is None. Pure."""
    shown = [_as_shown(column) for column in columns]
    if width is None:
        return Fitted(shown, [])
    shown = [column for column in shown if any(column.cells)]
    if _width(shown, measure) <= width:
        return Fitted(shown, [])
    shortened = [_shortened(column) for column in shown]
    kept = {index for index, column in enumerate(shortened) if column.rank == NEVER_LEFT_OUT}
    for index in sorted(range(len(shortened)), key=lambda index: (shortened[index].rank, index)):
        wanted = kept | {index}
        if _width([shortened[each] for each in wanted], measure) <= width:
            kept = wanted
    whole, short = ([table[index] for index in sorted(kept)] for table in (shown, shortened))
    left_out = [column.name for index, column in enumerate(shown) if index not in kept]
    return Fitted(whole if _width(whole, measure) <= width else short, left_out)


def render(columns: Sequence[Column], measure: Callable[[str], int] = len) -> list[list[str]]:
    """The cells of each line, the header's first, padded to the width of their columns. Pure."""
    padded = [
        [column.name, *column.cells] if column.is_prose else _padded(column, measure)
        for column in columns
    ]
    return [list(line) for line in zip(*padded, strict=True)]


def put_columns(columns: Sequence[Column], *, styles: dict[str, str] | None = None) -> list[str]:
    """Print a table on standard output; return the names of the columns that had no room.

    On a terminal, the table fits its width. A pipe or a file gets all columns. `styles` are the
    colours of the column `status`, by its words.
    """
    forgive_stdout()
    width = width_of_terminal()
    fitted = fit(columns, width, _cells)
    lines = render(fitted.columns, _cells)
    with answering():
        if width is not None:
            _put_coloured(fitted.columns, lines, styles or {})
        else:
            sys.stdout.write("".join(f"{_joined(line)}\n" for line in lines))
    return fitted.left_out


def put_runs(columns: Sequence[Column], *, how: str, more_metrics: int = 0) -> str:
    """Print a table of runs or sweeps; return the line that says what is not in it, or nothing.

    For `how` and `more_metrics` see `render_left_out`.
    """
    left_out = put_columns(columns, styles=STATUS_STYLES)
    width = width_of_terminal()
    return render_left_out(left_out, more_metrics=more_metrics, how=how, width=width)


def render_left_out(
    names: Sequence[str], *, more_metrics: int = 0, how: str, width: int | None = None
) -> str:
    """A line that names the columns that are not shown, and says `how` to see them. Pure.

    Empty if all are shown. `more_metrics`: how many metrics are not shown besides.
    """
    if not names:
        return f"{more_metrics} more metrics are not shown ({how})" if more_metrics else ""
    for number in range(len(names), 0, -1):
        left = len(names) - number + more_metrics
        more = f" and {left} more" if left else ""
        line = f"no room for {', '.join(names[:number])}{more} ({how})"
        if width is None or len(line) <= width:
            return line
    return f"no room for {len(names) + more_metrics} columns ({how})"


def _as_shown(column: Column) -> Column:
    short = None if column.short is None else [visible_line(cell) for cell in column.short]
    return replace(
        column,
        name=visible_line(column.name),
        cells=[visible_line(cell) for cell in column.cells],
        short=short,
    )


def _shortened(column: Column) -> Column:
    return column if column.short is None else replace(column, cells=column.short)


def _width(columns: Sequence[Column], measure: Callable[[str], int]) -> int:
    gaps = GAP * max(0, len(columns) - 1)
    return sum(column.width(measure) for column in columns) + gaps


def _padded(column: Column, measure: Callable[[str], int]) -> list[str]:
    width = column.width(measure)
    spaces = [(cell, " " * (width - measure(cell))) for cell in [column.name, *column.cells]]
    return [room + cell if column.is_number else cell + room for cell, room in spaces]


def _cells(text: str) -> int:
    """How many character cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # only needed for text that is not ASCII

    return cell_len(text)


def _joined(line: Sequence[str]) -> str:
    return (" " * GAP).join(line).rstrip()


def _put_coloured(
    columns: Sequence[Column], lines: Sequence[Sequence[str]], styles: dict[str, str]
) -> None:
    # The import takes 0.05 s; pipes and scripts do not need it.
    from rich.text import Text

    console = answer_console()
    names = [column.name for column in columns]
    has_prose = any(column.is_prose for column in columns)
    for number, line in enumerate(lines):
        text = Text(end="")
        for name, cell in zip(names, line, strict=True):
            colour = styles.get(cell.strip(), "") if name == "status" else ""
            text.append(cell, "bold" if number == 0 else colour).append(" " * GAP)
        text.rstrip()
        if has_prose:
            text.truncate(console.width, overflow="ellipsis")
        # A line that is wider than the terminal continues in the next one: nothing is cut.
        console.print(text, soft_wrap=True, highlight=False)
