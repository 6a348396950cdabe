"""Gives columns different short names, and finds the columns that a user names. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tmgg.console.tables import NEVER_LEFT_OUT, Column
from tmgg.errors import ConfigError
from tmgg.experiment_utils.some_names import some_of

RESERVED = frozenset(
    {
        "#", "run", "overrides", "status", "failure", "time", "job", "age", "backend", "attempt",
        "attempts", "details", "cpu_cores", "memory", "gpu_busy", "gpu_memory",
    }
)  # fmt: skip
"""Names of TMGG's own columns, also of columns that only some tables have."""
NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns that a user chose."""

    columns: list[Column]
    absent: list[str]
    """Names without a column."""


def names_apart(names: Sequence[tuple[str, str]]) -> list[str]:
    """The name to show for each (short, full) name: the full one if the short one is ambiguous.

    TMGG's own columns have no full name and keep their short one.
    """
    counts = Counter(name for name, _full in names)
    return [
        full if full and (counts[name] > 1 or name in RESERVED) else name for name, full in names
    ]


def tell_apart(columns: Sequence[Column]) -> list[Column]:
    """The columns, renamed so that no two have the same name."""
    names = names_apart([(column.name, column.full) for column in columns])
    return [replace(column, name=name) for column, name in zip(columns, names, strict=True)]


def split_names(text: str, columns: Sequence[Column]) -> list[str]:
    """The names in `a,b`; the text itself if it is the name of a column."""
    if any(text in _names(column) for column in columns):
        return [text]
    return [name for name in text.split(",") if name]


def choose(
    columns: Sequence[Column], names: Sequence[str], others: Sequence[Column] = ()
) -> Choice:
    """The named columns, which are never left out, and the column of run ids.

    A name is the shown or full name of a column, or a pattern such as `val_*`. `others` are columns
    that are not in the table; a pattern can mean them only if it fits no column of the table.
    Raises ConfigError if no name has a column.
    """
    found: list[Column] = []
    absent: list[str] = []
    for name in names:
        meant = _meant(name, columns, others)
        absent += [] if meant else [name]
        found += [column for column in meant if not _is_in(column, found)]
    if not found:
        raise ConfigError(_none_of(absent, columns))
    first = [column for column in columns if column.name == "run" and not _is_in(column, found)]
    shown = [replace(each, rank=NEVER_LEFT_OUT, short=None) for each in [*first, *found]]
    return Choice(shown, absent)


def _meant(name: str, columns: Sequence[Column], others: Sequence[Column]) -> list[Column]:
    ways = (
        [column for column in columns if column.name == name],
        [column for column in columns if name in _names(column)],
        [column for column in others if column.name == name],
        [column for column in others if name in _names(column)],
        [column for column in columns if _fits(column, name)],
        [column for column in others if _fits(column, name)],
    )
    return next((found for found in ways if found), [])


def _names(column: Column) -> set[str]:
    """`lr`, `overrides.opt.lr` and `opt.lr`."""
    return {column.name, column.full, column.full.partition(".")[2]} - {""}


def _fits(column: Column, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in _names(column))


def _is_in(column: Column, found: Sequence[Column]) -> bool:
    return any(column is each for each in found)


def _none_of(absent: Sequence[str], columns: Sequence[Column]) -> str:
    there_are = some_of([column.name for column in columns], NAMES_SHOWN)
    asked = f"there is no column {' or '.join(map(repr, absent))}" if absent else "no name is given"
    return f"{asked}; there are {there_are}"
