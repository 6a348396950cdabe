"""Lists names in a sentence: the first of them, and the number of the others."""

from collections.abc import Sequence


def some_of(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`. Pure."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
