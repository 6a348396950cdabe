"""Shows the progress of runs during a wait: a few lines that change, or one line per change."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from tmgg.console.durations import render_duration
from tmgg.console.live_screen import render_screen
from tmgg.console.overrides import in_short
from tmgg.console.progress import (
    SweepProgress,
    Titles,
    render_best,
    render_counts,
    render_failed,
    render_speed,
)
from tmgg.console.streams import console_of_words
from tmgg.console.visible import visible, visible_line
from tmgg.experiment_utils.cloud.runs import RunKey, RunState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

REFRESH_PER_S = 2
# A line for each change would be too many: a thousand runs change a thousand times.
SWEEP_LINE_INTERVAL_S = 10.0
FAILURES_AT_ONCE = 5
"""The most lines about failures that are noticed together; further ones are only counted."""


class LiveView:
    """Shows the states of runs. Call it with each new list of states (it is an `OnUpdate`).

    It writes to standard error, so that standard output holds results only. If standard error
    cannot be written, the view is silent from then on; the wait goes on.
    """

    def __init__(
        self,
        progress: SweepProgress | None = None,
        *,
        titles: Titles | None = None,
        console: "Console | None" = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.progress = progress or SweepProgress(total=1)
        self._titles = in_short(titles or {})
        self._console = console or console_of_words()
        self._monotonic = monotonic
        self._started = monotonic()
        self._live: Live | None = None
        self._lines: list[str] = []
        self._printed: list[str] = []
        self._printed_at: float | None = None
        self._is_silent = False
        self._failures_told: set[RunKey] = set()

    def __enter__(self) -> "LiveView":
        # On a terminal that cannot move its cursor, rich would draw nothing until the end.
        if self._console.is_terminal and not self._console.is_dumb_terminal:
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
        else:
            self._print()

    def __call__(self, states: Sequence[RunState]) -> None:
        self.progress.observe(states)
        self._lines = render_progress(self.progress, self._titles)
        if self._live is None:
            self._tell_failures()
            if self._is_time():
                self._print()

    def leave_out(self, run: RunKey) -> None:
        """Stop showing a run whose record was removed or is damaged."""
        self.progress.leave_out(run)
        self._lines = render_progress(self.progress, self._titles)

    def _tell_failures(self) -> None:
        """Print each failure at once; the line about all runs comes only at intervals."""
        new = [state for state in self.progress.failed if state.key not in self._failures_told]
        self._failures_told |= {state.key for state in new}
        if self.progress.total == 1:
            return
        for state in new[:FAILURES_AT_ONCE]:
            self._put(visible_line(render_failed(state, self._titles)))
        if len(new) > FAILURES_AT_ONCE:
            self._put(f"{len(new) - FAILURES_AT_ONCE} more failed")

    def _is_time(self) -> bool:
        since = self._printed_at
        waits = self.progress.total > 1 and since is not None
        return not waits or self._monotonic() - (since or 0.0) >= SWEEP_LINE_INTERVAL_S

    def _print(self) -> None:
        if self._lines != self._printed:
            self._put(visible_line("; ".join(self._lines)))
            self._printed, self._printed_at = self._lines, self._monotonic()

    def _put(self, text: str) -> None:
        if self._is_silent:
            return
        try:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        except OSError:
            self._is_silent = True

    def _render(self) -> "Text":
        from rich.text import Text

        elapsed_s = self._monotonic() - self._started
        if self.progress.total > 1 and self.progress.seen:
            return render_screen(
                self.progress,
                self._titles,
                elapsed_s=elapsed_s,
                width=self._console.width,
                is_ascii=self._console.options.ascii_only,
            )
        text = visible("  ".join([render_duration(elapsed_s), *self._lines]))
        return Text(text, no_wrap=True, overflow="ellipsis")


def render_progress(progress: SweepProgress, titles: Titles) -> list[str]:
    """Lines about all runs of a wait, or one about the only run. Pure."""
    states = list(progress.seen.values())
    if progress.total == 1:
        return [_one(states[0])] if states else []
    lines = [
        render_counts(
            states,
            total=progress.total,
            left_out=len(progress.left_out),
            recognised=progress.not_looked_at,
        ),
        render_speed(progress),
        render_best(progress, titles),
    ]
    return list(filter(None, lines))


def _one(state: RunState) -> str:
    details = [
        state.reason if state.status == "pending" else "",
        f"starts {state.estimated_start}" if state.estimated_start else "",
        f"job {state.job_id}" if state.job_id else "",
        f"on {state.nodes}" if state.nodes and state.status == "running" else "",
        f"attempt {state.attempt}" if state.attempt > 1 else "",
        state.note,
    ]
    words = "; ".join(filter(None, details))
    return f"run {state.run_id}: {state.status}" + (f" ({words})" if words else "")
