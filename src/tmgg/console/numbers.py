"""Numbers as people see them: short, but those that differ never look alike. Pure."""

import math
from collections.abc import Sequence

DIGITS = 6
_MOST_DIGITS = 16
"""With one more, `repr` has the shortest text that tells a float from all others."""
_WHOLE_BELOW = 1e15
"""Whole floats below are shown whole; above, floats do not hold all whole numbers for long."""


def render_number(value: float) -> str:
    """One that stands alone: six significant digits; whole numbers and truth values whole."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_BELOW:
        return str(int(value))
    return _rounded(value, DIGITS)


def render_numbers(values: Sequence[float | None], *, digits: int = DIGITS) -> list[str]:
    """Those of one column or axis: as many digits as tell them apart, and no fewer than `digits`.

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
