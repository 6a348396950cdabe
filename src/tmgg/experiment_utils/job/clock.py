"""TMGG's own clocks in a job, whatever the task makes of the module `time`.

Tests and libraries, freezegun among them, replace `time.time` in every module that names it. The
defaults of arguments they do not find.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_Clock = Callable[[], float]


def unix_time_s(_real: _Clock = time.time) -> float:
    """As `time.time` was when this module was imported."""
    return _real()


def monotonic_s(_real: _Clock = time.monotonic) -> float:
    """As `time.monotonic` was when this module was imported; for durations."""
    return _real()


def sleep_s(seconds: float, _real: Callable[[float], None] = time.sleep) -> None:
    """As `time.sleep` was when this module was imported."""
    _real(seconds)


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Runs from when it is made, whatever is done to the machine's clock."""

    at: float = field(default_factory=unix_time_s)
    """Unix time."""
    _begun_s: float = field(default_factory=monotonic_s)

    def elapsed_s(self) -> float:
        return monotonic_s() - self._begun_s
