"""Estimates the time left from how long runs took and how many run at once.

The time left is shown only where it can be known: at least two runs began and ended while they were
watched, and some are going on. It assumes that the others take as long as those did, and that as
many go on at once as now; where runs still wait for the scheduler, that is a guess about the queue.
Runs so short that nobody saw them begin are counted by the minute instead, from ten of them on.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from tmgg.experiment_utils.cloud.runs import RunKey, RunState

LEAST_DURATIONS = 2
LEAST_ENDS = 10
"""Ends from which their number by the minute tells when the last will come."""
LEAST_TIME_S = 5.0
"""Ends of a shorter time than this say nothing about a minute."""


@dataclass
class Pace:
    """Give it each look at the runs; the first look's ends are no measure of speed."""

    _began: dict[RunKey, float | None] = field(default_factory=dict)
    """Of runs going on: when they were seen to begin; None for those that had begun before."""
    _status: dict[RunKey, str] = field(default_factory=dict)
    _durations: list[float] = field(default_factory=list)
    _ended: int = 0
    _busy_since: float | None = None
    _places: int = 0
    _places_seen_at: float = 0.0

    def observe(self, states: Sequence[RunState], now: float) -> None:
        """`now` is any clock in seconds that never goes back."""
        is_first = not self._status
        for state in states:
            self._note(state, now, is_first=is_first)
            self._status[state.key] = "ended" if state.final else state.status
        if self._began:
            self._places, self._places_seen_at = len(self._began), now

    def runs_per_minute(self, now: float) -> float | None:
        """Runs that ended per minute since the first began; None while that says nothing."""
        if self._ended == 0 or self._busy_since is None or now - self._busy_since < LEAST_TIME_S:
            return None
        return 60 * self._ended / (now - self._busy_since)

    def seconds_left(self, left: int, now: float) -> float | None:
        """Until the last of `left` runs has ended; None where it cannot be known."""
        if left == 0:
            return None
        if len(self._durations) < LEAST_DURATIONS:
            return self._left_by_number(left, now)
        usual_s = statistics.fmean(self._durations)
        if self._places == 0 or (not self._began and now - self._places_seen_at > usual_s):
            return None  # none goes on: who knows when the next begins
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
