"""How a sweep is getting on: counts, speed, the likely end, the best so far, the failures."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tmgg.console.durations import render_duration
from tmgg.console.ranking import Ranking
from tmgg.experiment_utils.cloud.runs import RunState

REASONS_SHOWN = 3
ReadMetrics = Callable[[str], Mapping[str, float]]
"""The metrics of a run that completed, by its id."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best run so far."""

    run_id: str
    value: float


@dataclass
class SweepProgress:
    """What is known of all runs of a sweep; `observe` each new list of states.

    States of runs left out of a later list are remembered.
    """

    total: int
    ranking: Ranking = field(default_factory=Ranking)
    read_metrics: ReadMetrics | None = None
    """None looks for no best."""
    monotonic: Callable[[], float] = time.monotonic
    seen: dict[str, RunState] = field(default_factory=dict)
    """Last known state by run id."""
    best: Best | None = None
    _busy_since: float | None = None
    _ended_before: int = 0

    def observe(self, states: Sequence[RunState]) -> None:
        first = not self.seen
        ended = [state for state in states if state.final and not self._has_ended(state.run_id)]
        self.seen.update({state.run_id: state for state in states})
        if self._busy_since is None and any(state.status != "pending" for state in states):
            self._busy_since = self.monotonic()
        if first:
            self._ended_before = len(ended)
        for state in ended:
            self._rank(state)

    @property
    def ended(self) -> int:
        """How many runs will not change any more."""
        return sum(state.final for state in self.seen.values())

    @property
    def runs_per_minute(self) -> float | None:
        """Runs ended per minute since the first one began; None until one has ended meanwhile."""
        ended = self.ended - self._ended_before
        if ended == 0 or self._busy_since is None:
            return None
        return 60 * ended / max(self.monotonic() - self._busy_since, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """Until the last run has ended, if they go on as they did."""
        speed = self.runs_per_minute
        return None if speed is None else 60 * (self.total - self.ended) / speed

    def _has_ended(self, run_id: str) -> bool:
        return run_id in self.seen and self.seen[run_id].final

    def _rank(self, state: RunState) -> None:
        if state.status != "completed" or self.read_metrics is None:
            return
        metrics = self.read_metrics(state.run_id)
        value = self.ranking.value(metrics)
        if value is None:
            return
        better = {self.ranking.name: value}
        held = {} if self.best is None else {self.ranking.name: self.best.value}
        if self.ranking.key(better) < self.ranking.key(held):
            self.best = Best(run_id=state.run_id, value=value)


def render_counts(states: Sequence[RunState], *, total: int) -> str:
    """How many runs stand how, with the reasons for waiting and for failing. Pure."""
    count = Counter(state.status for state in states)
    parts = [
        f"{total - len(states)} to submit" if total > len(states) else "",
        f"{count['pending']} pending{_reasons(states)}" if count["pending"] else "",
        f"{count['running']} running" if count["running"] else "",
        f"{count['completed']} completed" if count["completed"] else "",
        f"{count['failed']} failed{_failures(states)}" if count["failed"] else "",
    ]
    notes = sorted({state.note for state in states if state.note and not state.final})
    return f"{total} runs: {', '.join(filter(None, [*parts, *notes]))}"


def render_speed(progress: SweepProgress) -> str:
    """How fast runs end and when the last will; empty while nothing can be said. Pure."""
    speed, left_s = progress.runs_per_minute, progress.seconds_left
    if speed is None or left_s is None:
        return ""
    about = f", about {render_duration(left_s)} left" if progress.ended < progress.total else ""
    return f"{speed:.3g} runs a minute{about}"


def render_best(progress: SweepProgress, titles: Mapping[str, str]) -> str:
    """The best so far; `titles` says by run id in what a run differs. Pure."""
    best = progress.best
    if best is None:
        return ""
    title = titles.get(best.run_id)
    named = f"{title} (run {best.run_id})" if title else f"run {best.run_id}"
    return f"best {progress.ranking.name} {best.value:.6g}: {named}"


def _reasons(states: Sequence[RunState]) -> str:
    reasons = Counter(
        state.reason for state in states if state.status == "pending" and state.reason
    )
    told = ", ".join(reason for reason, _count in reasons.most_common(REASONS_SHOWN))
    return f" ({told})" if told else ""


def _failures(states: Sequence[RunState]) -> str:
    kinds = Counter(state.failure.kind for state in states if state.failure is not None)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f" ({told})" if told else ""
