"""Numbers as users see them: short, but different numbers never look the same. Pure."""

import math
from collections.abc import Sequence

DIGITS = 6
_MOST_DIGITS = 16
"""If more are needed, `repr` gives the shortest text that belongs to one float only."""
_WHOLE_BELOW = 1e15
"""Whole floats below it are shown with all digits. Not far above, floats have gaps."""


def render_number(value: float) -> str:
    """A single number: six significant digits; integers and truth values unchanged."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_BELOW:
        return str(int(value))
    return _rounded(value, DIGITS)


def render_numbers(values: Sequence[float | None], *, digits: int = DIGITS) -> list[str]:
    """The numbers of one column or axis, with at least `digits` digits, and enough to differ.

    None is an empty cell.
    """
    wanted = {value for value in values if value is not None and not _is_nan(value)}
    for number in range(digits, _MOST_DIGITS + 1):
        if len({_rounded(value, number) for value in wanted}) == len(wanted):
            return ["" if value is None else _rounded(value, number) for value in values]
    return ["" if value is None else repr(value) for value in values]


def _rounded(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _is_nan(value: float) -> bool:
    return isinstance(value, float) and math.isnan(value)
