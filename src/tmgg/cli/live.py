"""How runs are getting on while somebody waits: one line that changes, or one per change."""

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from tmgg.experiment_utils.cloud.runs import RunState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

REFRESH_PER_S = 2
REASONS_SHOWN = 3


class LiveView:
    """Shows states as they come; call it with each new list of them (it is an `OnUpdate`).

    States of runs left out of a later call are remembered. Writes to standard error, so that
    standard output holds results only.
    """

    def __init__(self, total: int = 1, *, console: "Console | None" = None) -> None:
        # rich takes a tenth of a second to import; --help and the job side do without.
        from rich.console import Console

        self.seen: dict[str, RunState] = {}
        """Last known state by run id."""
        self._total = total
        self._console = console or Console(stderr=True)
        self._started = time.monotonic()
        self._live: Live | None = None
        self._line = ""

    def __enter__(self) -> "LiveView":
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=REFRESH_PER_S,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, states: Sequence[RunState]) -> None:
        self.seen.update({state.run_id: state for state in states})
        line = render_progress(list(self.seen.values()), total=self._total)
        if self._live is None and line != self._line:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._line = line

    def _render(self) -> "Text":
        from rich.text import Text

        elapsed = render_duration(time.monotonic() - self._started)
        return Text(f"{elapsed}  {self._line}", no_wrap=True, overflow="ellipsis")


def render_progress(states: Sequence[RunState], *, total: int) -> str:
    """One line about all runs of a wait, or about the only one. Pure."""
    if total == 1:
        return _one(states[0]) if states else ""
    count = Counter(state.status for state in states)
    parts = [
        f"{total - len(states)} to submit" if total > len(states) else "",
        f"{count['pending']} pending{_reasons(states)}" if count["pending"] else "",
        f"{count['running']} running" if count["running"] else "",
        f"{count['completed']} completed" if count["completed"] else "",
        f"{count['failed']} failed" if count["failed"] else "",
    ]
    notes = sorted({state.note for state in states if state.note and not state.final})
    return f"{total} runs: {', '.join(filter(None, [*parts, *notes]))}"


def render_duration(duration_s: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _one(state: RunState) -> str:
    details = [
        state.reason if state.status == "pending" else "",
        f"starts {state.estimated_start}" if state.estimated_start else "",
        f"job {state.job_id}" if state.job_id else "",
        f"on {state.nodes}" if state.nodes and state.status == "running" else "",
        f"attempt {state.attempt}" if state.attempt > 1 else "",
        state.note,
    ]
    told = "; ".join(filter(None, details))
    return f"run {state.run_id}: {state.status}" + (f" ({told})" if told else "")


def _reasons(states: Sequence[RunState]) -> str:
    reasons = Counter(
        state.reason for state in states if state.status == "pending" and state.reason
    )
    told = ", ".join(reason for reason, _count in reasons.most_common(REASONS_SHOWN))
    return f" ({told})" if told else ""
