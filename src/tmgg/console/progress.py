"""The progress of a sweep: counts, speed, the likely end, the best so far, the failures."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tmgg.console.causes import summarize
from tmgg.console.durations import render_duration
from tmgg.console.numbers import render_number
from tmgg.console.pace import Pace
from tmgg.console.ranking import Ranking
from tmgg.console.run_names import short_id
from tmgg.experiment_utils.cloud.runs import RunKey, RunState, is_to_submit

REASONS_SHOWN = 3
ReadMetrics = Callable[[Any], Mapping[str, float]]
"""The metrics of a run that completed, by its `RunState.key`."""
Titles = Mapping[Any, str]
"""What distinguishes a run, by `RunState.key`. (Any, since a key may also be a plain id.)"""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best run so far."""

    run_id: str
    value: float
    key: RunKey


@dataclass
class SweepProgress:
    """What is known of all runs of a sweep. Call `observe` with each new list of states.

    A run that is missing in a later list keeps its last state.
    """

    total: int
    ranking: Ranking = field(default_factory=Ranking)
    read_metrics: ReadMetrics | None = None
    """None: do not look for the best run."""
    monotonic: Callable[[], float] = time.monotonic
    seen: dict[RunKey, RunState] = field(default_factory=dict)
    """Last known state of each run."""
    best: Best | None = None
    pace: Pace = field(default_factory=Pace)
    left_out: set[RunKey] = field(default_factory=set)
    """Runs that were removed or whose records are damaged."""
    recognised: set[RunKey] = field(default_factory=set)
    """Runs of an earlier sweep that need not be submitted. If one has no state in `seen`, TMGG has
    not looked at it again yet."""
    _failed: list[RunKey] = field(default_factory=list)

    def observe(self, states: Sequence[RunState]) -> None:
        ended = [state for state in states if state.final and not self._has_ended(state.key)]
        self.seen.update({state.key: state for state in states})
        self.pace.observe(states, self.monotonic())
        for state in ended:
            if state.status == "failed" and state.key not in self._failed:
                self._failed.append(state.key)
            self._rank(state)

    def leave_out(self, run: RunKey) -> None:
        """Count a run as removed or damaged."""
        self.seen.pop(run, None)
        self._failed = [each for each in self._failed if each != run]
        self.left_out.add(run)

    @property
    def failed(self) -> list[RunState]:
        """The runs that failed, in the order in which their failures were seen."""
        states = [self.seen[run] for run in self._failed]
        return [state for state in states if state.final and state.status == "failed"]

    @property
    def not_looked_at(self) -> int:
        """How many recognised runs TMGG has not looked at again yet."""
        return len(self.recognised - self.seen.keys() - self.left_out)

    @property
    def ended(self) -> int:
        """How many runs will not change any more."""
        return sum(state.final for state in self.seen.values())

    @property
    def runs_per_minute(self) -> float | None:
        """See `Pace.runs_per_minute`."""
        return self.pace.runs_per_minute(self.monotonic())

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last run has ended: see `Pace.seconds_left`."""
        left = self.total - len(self.left_out) - self.ended
        return self.pace.seconds_left(left, self.monotonic())

    def _has_ended(self, run: RunKey) -> bool:
        return run in self.seen and self.seen[run].final

    def _rank(self, state: RunState) -> None:
        if state.status != "completed" or self.read_metrics is None:
            return
        metrics = self.read_metrics(state.key)
        value = self.ranking.value(metrics)
        if value is None:
            return
        better = {self.ranking.name: value}
        held = {} if self.best is None else {self.ranking.name: self.best.value}
        if self.ranking.key(better) < self.ranking.key(held):
            self.best = Best(run_id=state.run_id, value=value, key=state.key)


def render_counts(
    states: Sequence[RunState], *, total: int, left_out: int = 0, recognised: int = 0
) -> str:
    """How many runs have each status, with the reasons for waiting and for failing. Pure.

    `recognised`: the number of runs without a state that need not be submitted.
    """
    # Runs that are held back are not in the queue, like runs without a state.
    submitted = [state for state in states if not is_to_submit(state)]
    count = Counter(state.status for state in submitted)
    to_submit = max(0, total - len(submitted) - left_out - recognised)
    parts = [
        f"{left_out} left out" if left_out else "",
        f"{recognised} recognised" if recognised else "",
        f"{to_submit} to submit" if to_submit else "",
        f"{count['pending']} pending{_reasons(submitted)}" if count["pending"] else "",
        f"{count['running']} running" if count["running"] else "",
        f"{count['completed']} completed" if count["completed"] else "",
        f"{count['failed']} failed{_failures(states)}" if count["failed"] else "",
    ]
    notes = sorted({state.note for state in states if state.note and not state.final})
    return f"{total} runs: {', '.join(filter(None, [*parts, *notes]))}"


def render_speed(progress: SweepProgress) -> str:
    """How fast runs end, and the time left, as far as they are known. Pure."""
    speed, left_s = progress.runs_per_minute, progress.seconds_left
    parts = [
        f"{_whole(speed)} runs a minute" if speed is not None else "",
        f"about {render_duration(left_s)} left" if left_s is not None else "",
    ]
    return ", ".join(filter(None, parts))


def _whole(number: float) -> str:
    """Three significant digits; from 100 on, all digits before the decimal point."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def render_failed(state: RunState, titles: Titles, *, with_id: bool = True) -> str:
    """One line: which run failed, and why. Pure."""
    why = summarize(state.failure) if state.failure else "no reason is known"
    return f"failed: {_named(state, titles, with_id=with_id)}: {why}"


def render_best(progress: SweepProgress, titles: Titles, *, is_short: bool = False) -> str:
    """The best run so far, with its title. Pure.

    `is_short` leaves date and time out of the run's id.
    """
    best = progress.best
    if best is None:
        return ""
    title = titles.get(best.key, "")
    name = f"run {short_id(best.run_id) if is_short else best.run_id}"
    named = f"{title} ({name})" if title else name
    return f"best {progress.ranking.name} {render_number(best.value)}: {named}"


def _named(state: RunState, titles: Titles, *, with_id: bool) -> str:
    title = titles.get(state.key)
    if not title:
        return f"run {state.run_id}"
    return f"{title} (run {state.run_id})" if with_id else title


def _reasons(states: Sequence[RunState]) -> str:
    reasons = Counter(
        state.reason for state in states if state.status == "pending" and state.reason
    )
    words = ", ".join(reason for reason, _count in reasons.most_common(REASONS_SHOWN))
    return f" ({words})" if words else ""


def _failures(states: Sequence[RunState]) -> str:
    kinds = Counter(state.failure.kind for state in states if state.failure is not None)
    words = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f" ({words})" if words else ""
