"""Times and durations as people write and read them."""

import re
import time

from tmgg.errors import ConfigError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhdw]?)")


def parse_duration_s(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `2h`, `30d` or `1w`; raises ConfigError otherwise."""
    found = _DURATION.fullmatch(text.strip())
    if not found or not text.isascii():
        raise ConfigError(f"{text!r} is not a duration; write for example 90s, 10m, 2h or 30d")
    return float(found["number"]) * _UNITS_S[found["unit"] or "s"]


def render_duration(duration_s: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def render_age(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `8 d`: one number, for a column."""
    for unit, size_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size_s or (unit == "min" and seconds >= size_s):
            return f"{seconds / size_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def render_time(at: float) -> str:
    """A Unix time as date and time in this machine's time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
