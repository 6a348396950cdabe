"""Estimates the time left from how long runs took and how many run at once.

The time left is shown only if at least two runs began and ended while they were watched, and some
are going on. The estimate assumes that the others take as long as those did, and that as many run
at once as now. If runs still wait for the scheduler, this is a guess about the queue.
Runs may be too short for a look to see them running. Then the estimate uses the number of ends per
minute, from ten ends on.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from tmgg.experiment_utils.cloud.runs import RunKey, RunState

LEAST_DURATIONS = 2
LEAST_ENDS = 10
"""From so many ends on, the number of ends per minute is used for an estimate."""
LEAST_TIME_S = 5.0
"""A speed from a shorter time than this is not shown."""


@dataclass
class Pace:
    """Call `observe` for each look at the runs. Ends that the first look sees do not count."""

    _began: dict[RunKey, float | None] = field(default_factory=dict)
    """When each running run was first seen running; None if the first look saw it running."""
    _status: dict[RunKey, str] = field(default_factory=dict)
    _durations: list[float] = field(default_factory=list)
    _ended: int = 0
    _busy_since: float | None = None
    _places: int = 0
    _places_seen_at: float = 0.0

    def observe(self, states: Sequence[RunState], now: float) -> None:
        """`now`: seconds of any clock that never goes back."""
        is_first = not self._status
        for state in states:
            self._note(state, now, is_first=is_first)
            self._status[state.key] = "ended" if state.final else state.status
        if self._began:
            self._places, self._places_seen_at = len(self._began), now

    def runs_per_minute(self, now: float) -> float | None:
        """Ends per minute since the first run began. None in the first 5 s, and before an end."""
        if self._ended == 0 or self._busy_since is None or now - self._busy_since < LEAST_TIME_S:
            return None
        return 60 * self._ended / (now - self._busy_since)

    def seconds_left(self, left: int, now: float) -> float | None:
        """Seconds until the last of `left` runs has ended; None if there is no estimate."""
        if left == 0:
            return None
        if len(self._durations) < LEAST_DURATIONS:
            return self._left_by_number(left, now)
        usual_s = statistics.fmean(self._durations)
        if self._places == 0 or (not self._began and now - self._places_seen_at > usual_s):
            return None  # no run goes on, so it is not known when the next one begins
        rests_s = [max(0.0, usual_s - self._age(since, now)) for since in self._began.values()]
        waiting = max(0, left - len(rests_s))
        longest_s = max(rests_s, default=0.0)
        if waiting == 0 and longest_s == 0:
            return None  # they take longer than the others did
        return max(longest_s, (sum(rests_s) + waiting * usual_s) / self._places)

    def _note(self, state: RunState, now: float, *, is_first: bool) -> None:
        before = self._status.get(state.key)
        if state.final:
            since = self._began.pop(state.key, None)
            if before != "ended" and not is_first:
                self._ended += 1
                if since is not None and state.status == "completed":
                    self._durations.append(now - since)
            return
        if state.status != "running":
            self._began.pop(state.key, None)
            return
        if self._busy_since is None:
            self._busy_since = now
        if state.key not in self._began:
            self._began[state.key] = None if before is None and is_first else now

    def _age(self, since: float | None, now: float) -> float:
        return 0.0 if since is None else now - since

    def _left_by_number(self, left: int, now: float) -> float | None:
        speed = self.runs_per_minute(now)
        return None if speed is None or self._ended < LEAST_ENDS else 60 * left / speed
