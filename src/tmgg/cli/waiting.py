"""Waiting for runs at a terminal: live view, time limit, Ctrl-C, and the final message."""

import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence

import typer

from tmgg.cli.removed import Removed, collect_present, poll_present, refuse_when_all
from tmgg.cli.result_rows import rows_of
from tmgg.cli.run_json import to_json
from tmgg.cli.selection import titles_of
from tmgg.console import exit_codes, report
from tmgg.console.live import LiveView
from tmgg.console.printing import put_json, say
from tmgg.console.progress import SweepProgress
from tmgg.console.ranking import Ranking
from tmgg.console.run_names import command_for, names_of_runs
from tmgg.console.sweep_table import columns_of_titles, short_ids
from tmgg.console.tables import Column, put_runs
from tmgg.console.words import width_of_terminal, wrapped
from tmgg.errors import RunError, TmggError
from tmgg.experiment_utils.cloud.runs import RunKey, RunState
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.runs_on_record.waiting import LimitedClock, TimeIsUpError
from tmgg.experiment_utils.run_folder.paths import RunPaths

LeaveOut = Callable[[RunPaths, RunError], None]
"""Goes on without a run whose record cannot be used, and says why."""


def wait_and_tell(
    reattached: Reattached,
    ranking: Ranking,
    *,
    limit_s: float | None,
    cancel_on_interrupt: bool,
    as_json: bool,
    removed: Removed | None = None,
) -> int:
    """Wait for all runs to end, print how they stand, and return the exit code.

    `removed` are runs that the command has left out before.
    """
    removed = Removed() if removed is None else removed
    view = make_view(reattached, ranking)
    with interruptible(reattached, view.progress.seen, cancel=cancel_on_interrupt):
        timed_out = not _wait(reattached, removed, view, limit_s=limit_s)
        reattached, states = poll_present(reattached, removed)
    tell(reattached, states, removed, as_json=as_json)
    if timed_out and not all(state.final for state in states):
        say(f"the time is over; {_how_to_come_back(reattached, states)}")
        return exit_codes.TIMED_OUT
    return _exit_code(states, removed)


def watch_and_tell(reattached: Reattached, ranking: Ranking) -> int:
    """Like `wait_and_tell`, without a limit. The table at the end is the same as after a launch."""
    removed, view = Removed(), make_view(reattached, ranking)
    with interruptible(reattached, view.progress.seen):
        _wait(reattached, removed, view, limit_s=None)
        reattached, states = poll_present(reattached, removed)
        results = collect_present(reattached, states, removed)
    rows = rows_of(reattached.runs, results)
    report.print_sweep(rows, ranking)
    return _exit_code(states, removed)


def _wait(
    reattached: Reattached, removed: Removed, view: LiveView, *, limit_s: float | None
) -> bool:
    """Whether all runs ended in the time given."""
    clock = LimitedClock(limit_s)

    def leave_out(paths: RunPaths, error: RunError) -> None:
        removed.tell(paths, error)
        view.leave_out(paths)

    with view, contextlib.suppress(TimeIsUpError):
        left = [run.paths for run in reattached.runs]
        while left:
            left = _wait_for(reattached, left, view, leave_out, clock)
        return True
    return False


def _wait_for(
    reattached: Reattached,
    runs: list[RunPaths],
    view: LiveView,
    leave_out: LeaveOut,
    clock: LimitedClock,
) -> list[RunPaths]:
    """Wait until all have ended. If some cannot be used any more, return the others."""
    try:
        for _ended in waiting.wait(reattached, runs, on_update=view, clock=clock):
            pass
    except RunError:
        found = zip(reattached.runs, reattached.poll_all(), strict=True)
        bad = {run.paths: state for run, state in found if isinstance(state, RunError)}
        refuse_when_all(list(bad.values()), of=len(reattached.runs))
        if bad.keys().isdisjoint(runs):
            raise
        for paths in bad.keys() & {*runs}:
            leave_out(paths, bad[paths])
        return [paths for paths in runs if paths not in bad]
    return []


def make_view(reattached: Reattached, ranking: Ranking) -> LiveView:
    """The live view of these runs, with what their sweep's record says of them."""
    progress = SweepProgress(
        total=len(reattached.runs),
        ranking=ranking,
        read_metrics=functools.partial(_metrics_of, reattached),
    )
    titles = titles_of(reattached.runs) if len(reattached.runs) > 1 else {}
    for paths, name in names_of_runs([run.paths for run in reattached.runs]).items():
        if name != paths.run_id:
            titles[paths] = f"{titles.get(paths, '')} {name}".lstrip()
    return LiveView(progress, titles=titles)


def _exit_code(states: Sequence[RunState], removed: Removed) -> int:
    if any(state.status == "failed" for state in states):
        return exit_codes.FAILED
    return removed.exit_code


def _metrics_of(reattached: Reattached, key: RunKey) -> Mapping[str, float]:
    """A run's metrics for the view. Empty if they cannot be read, as with another user's run."""
    assert isinstance(key, RunPaths)
    try:
        return reattached.collect(key).metrics
    except (RunError, OSError):
        return {}


def tell(
    reattached: Reattached, states: Sequence[RunState], removed: Removed, *, as_json: bool
) -> None:
    """Print the states on standard output, and what to do about a failure on standard error."""
    if as_json:
        runs = zip(reattached.runs, states, strict=True)
        put_json({"runs": [to_json(run, state) for run, state in runs], **removed.as_json()})
        return
    if line := put_runs(_columns(reattached, states), how="--json has all"):
        say(line)
    for state in states:
        if state.failure is not None and len(states) == 1:
            say(state.failure.message)
            say(wrapped(f"HINT: {state.failure.hint}", width_of_terminal(stderr=True)))


def _columns(reattached: Reattached, states: Sequence[RunState]) -> list[Column]:
    runs = [run.paths for run in reattached.runs]
    names = list(names_of_runs(runs).values())
    titles = titles_of(reattached.runs) if len(states) > 1 else {}
    kinds = [state.failure.kind if state.failure else "" for state in states]
    return [
        Column(name="run", cells=names, short=short_ids(names)),
        *columns_of_titles([titles.get(paths, "") for paths in runs]),
        Column(name="status", cells=[state.status for state in states]),
        Column(name="attempt", cells=[str(state.attempt) for state in states], rank=2),
        Column(name="failure", cells=kinds),
    ]


@contextlib.contextmanager
def interruptible(
    reattached: Reattached, seen: Mapping[RunKey, RunState] | None = None, *, cancel: bool = False
) -> Iterator[None]:
    """On Ctrl-C, say how to come back and how to cancel, or cancel. A second one exits at once.

    `seen` are the states that are known so far.
    """
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(exit_codes.INTERRUPTED))
        say("")
        states = list((seen or {}).values())
        if cancel:
            _cancel(reattached, states)
        else:
            say(f"interrupted; {_how_to_come_back(reattached, states)}")
        raise typer.Exit(exit_codes.INTERRUPTED) from None


def _cancel(reattached: Reattached, states: Sequence[RunState]) -> None:
    try:
        cancelled = sum(reattached.cancel())
        say(f"interrupted; {cancelled} runs are cancelled")
    except TmggError as error:
        say(f"interrupted, and the runs could not be cancelled: {error}")
        say(_how_to_come_back(reattached, states))


def _how_to_come_back(reattached: Reattached, states: Sequence[RunState]) -> str:
    over = {state.key for state in states if state.final}
    elsewhere = {state.key for state in states if state.is_elsewhere}
    asked = [run.paths for run in reattached.runs]
    left = [paths for paths in asked if paths not in over]
    here = [paths for paths in left if paths not in elsewhere]
    # The name of a whole sweep would also cancel runs that only another cluster can cancel.
    can_be_named = [paths for paths in asked if paths not in elsewhere]
    come_back = command_for("tmgg-jobs wait", left, asked=asked)
    lines = ["the runs go on", f"  come back:  {come_back}"]
    if here:
        cancel = command_for("tmgg-jobs cancel", here, asked=can_be_named)
        lines.append(f"  cancel:     {cancel}")
    if elsewhere:
        lines.append(f"  {len(elsewhere)} of them can be cancelled only where they are")
    return "\n".join(lines)
