"""TMGG's own clocks in a job, which a task cannot replace through the module `time`.

Tests and libraries, freezegun among them, replace `time.time` in every module that names it. What
a `partial` holds they do not find.
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
    """Runs from when it is made, whatever is done to the machine's clock."""

    at: float = field(default_factory=unix_time_s)
    """Unix time."""
    _begun_s: float = field(default_factory=monotonic_s)

    def elapsed_s(self) -> float:
        return monotonic_s() - self._begun_s
