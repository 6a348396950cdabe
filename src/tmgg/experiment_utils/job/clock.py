"""TMGG's own clocks in a job, which a task cannot replace through the module `time`.

Tests and libraries (for example freezegun) replace `time.time` in every module that has it. They do
not find the functions in a `partial`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

unix_time_s: Callable[[], float] = partial(time.time)
"""As `time.time` was when this module was imported."""

monotonic_s: Callable[[], float] = partial(time.monotonic)
"""As `time.monotonic` was when this module was imported; for durations."""

sleep_s: Callable[[float], None] = partial(time.sleep)
"""As `time.sleep` was when this module was imported."""


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Measures the time since it was made; changes of the machine's clock do not matter."""

    at: float = field(default_factory=unix_time_s)
    """Unix time when it was made."""
    _begun_s: float = field(default_factory=monotonic_s)

    def elapsed_s(self) -> float:
        return monotonic_s() - self._begun_s
