"""Maps values to places on an axis, and chooses round values for its ticks. Pure."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.console.numbers import render_numbers

DIGITS_OF_TICKS = 4
_GREATEST = sys.float_info.max
_LEAST = math.ulp(0.0)
_LOG_FROM_DECADES = math.log10(50)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values between `low` and `high` to places between `begin` and `end`."""

    low: float
    high: float
    begin: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (self._warped(each) for each in (self.low, self.high, value))
        if high == low:
            return (self.begin + self.end) / 2
        return self.begin + (at - low) / (high - low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Different round values within the scale, at least one."""
        found = _log_ticks(self.low, self.high) if self.is_log else _ticks(self.low, self.high)
        return list(dict.fromkeys(found)) or [self.low]

    def labelled_ticks(self) -> list[tuple[float, str]]:
        """The ticks with their labels."""
        ticks = self.ticks()
        return list(zip(ticks, render_numbers(ticks, digits=DIGITS_OF_TICKS), strict=True))

    def named(self, name: str) -> str:
        """The name of the axis; it says if the scale is logarithmic."""
        return f"{name} (log scale)" if self.is_log else name

    def _warped(self, value: float) -> float:
        # Half of the value: the difference of two floats may be too large for a float.
        return math.log10(value) if self.is_log else value / 2


def scale_of(values: Sequence[float], begin: float, end: float, *, room: float = 0.04) -> Scale:
    """A scale that contains the values; logarithmic if they are positive and far apart."""
    low, high = min(values), max(values)
    decades = math.log10(high) - math.log10(low) if low > 0 else 0.0
    if decades >= _LOG_FROM_DECADES:
        grown = 10 ** (decades * room)
        return Scale(max(low / grown, _LEAST), min(high * grown, _GREATEST), begin, end, True)
    margin = (high * room - low * room) or abs(high) * 0.05 or 1.0
    return Scale(max(low - margin, -_GREATEST), min(high + margin, _GREATEST), begin, end)


def _ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    rough = high / wanted - low / wanted
    if rough <= 0:
        return [low]
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = math.ceil(low / step)
    count = min(20, math.floor(high / step) - first + 1)
    return [(first + k) * step for k in range(count)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [10.0**decade for decade in decades if decade <= sys.float_info.max_10_exp]
    found = [tick for tick in found if low <= tick <= high]
    stride = math.ceil(len(found) / 6)
    return found[::stride] if len(found) > 1 else _ticks(low, high)
