"""Waiting for runs at a terminal: the live view, the time limit, Ctrl-C, and the last words."""

import contextlib
import functools
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence

import typer

from tmgg.cli.removed import Removed, collect_present, poll_present
from tmgg.cli.result_rows import rows_of
from tmgg.cli.run_json import to_json
from tmgg.cli.selection import members_of
from tmgg.console import exit_codes, report
from tmgg.console.live import LiveView
from tmgg.console.printing import put_json, say
from tmgg.console.progress import SweepProgress
from tmgg.console.ranking import Ranking
from tmgg.console.run_names import names_of_runs
from tmgg.console.sweep_table import columns_of_titles, short_ids
from tmgg.console.tables import Column, put_runs
from tmgg.console.words import width_of_terminal, wrapped
from tmgg.errors import RunError, TmggError
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.runs_on_record.waiting import LimitedClock, TimeIsUpError

NAMES_SHOWN = 20
Tell = Callable[[str, RunError], None]
"""Leaves a run out, by its id."""


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
    """As `wait_and_tell`, without a limit; the table at the end is that of a launch."""
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

    def told(run_id: str, error: RunError) -> None:
        removed.tell(run_id, error)
        view.leave_out(run_id)

    with view, contextlib.suppress(TimeIsUpError):
        left = [run.run_id for run in reattached.runs]
        while left:
            left = _wait_for(reattached, left, view, told, clock)
        return True
    return False


def _wait_for(
    reattached: Reattached, run_ids: list[str], view: LiveView, told: Tell, clock: LimitedClock
) -> list[str]:
    """Wait until all of them have ended; those to wait for, when some cannot be used any more."""
    try:
        for _ended in waiting.wait(
            reattached,
            run_ids,
            on_update=view,
            on_removed=lambda error: told(error.run_id, error),
            clock=clock,
        ):
            pass
    except RunError:
        found = zip(reattached.runs, reattached.poll_all(), strict=True)
        bad = {run.run_id: state for run, state in found if isinstance(state, RunError)}
        if bad.keys().isdisjoint(run_ids) or len(bad) == len(reattached.runs):
            raise
        for run_id in bad.keys() & {*run_ids}:
            told(run_id, bad[run_id])
        return [run_id for run_id in run_ids if run_id not in bad]
    return []


def make_view(reattached: Reattached, ranking: Ranking) -> LiveView:
    """The live view of these runs, with what their sweep's record says of them."""
    progress = SweepProgress(
        total=len(reattached.runs),
        ranking=ranking,
        read_metrics=functools.partial(_metrics_of, reattached),
    )
    members = members_of(reattached.runs) if len(reattached.runs) > 1 else {}
    return LiveView(
        progress, titles={paths.run_id: member.title for paths, member in members.items()}
    )


def _exit_code(states: Sequence[RunState], removed: Removed) -> int:
    if any(state.status == "failed" for state in states):
        return exit_codes.FAILED
    return removed.exit_code


def _metrics_of(reattached: Reattached, run_id: str) -> Mapping[str, float]:
    """For the view; another's run may be waited for, and its config is hers."""
    try:
        return reattached.collect(run_id).metrics
    except (RunError, OSError):
        return {}


def tell(
    reattached: Reattached, states: Sequence[RunState], removed: Removed, *, as_json: bool
) -> None:
    """How the runs stand, on standard output; what to do about failures on standard error."""
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
    run_ids = [state.run_id for state in states]
    members = members_of(reattached.runs) if len(states) > 1 else {}
    titles = {paths.run_id: member.title for paths, member in members.items()}
    kinds = [state.failure.kind if state.failure else "" for state in states]
    return [
        Column(name="run", cells=run_ids, short=short_ids(run_ids)),
        *columns_of_titles([titles.get(run_id, "") for run_id in run_ids]),
        Column(name="status", cells=[state.status for state in states]),
        Column(name="attempt", cells=[str(state.attempt) for state in states], rank=2),
        Column(name="failure", cells=kinds),
    ]


@contextlib.contextmanager
def interruptible(
    reattached: Reattached, seen: Mapping[str, RunState] | None = None, *, cancel: bool = False
) -> Iterator[None]:
    """Ctrl-C loses nothing: it says how to come back and how to cancel. A second just leaves.

    `seen` are the states that are known by then.
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
    over = {state.run_id for state in states if state.final}
    elsewhere = {state.run_id for state in states if state.is_elsewhere}
    left = [run.run_id for run in reattached.runs if run.run_id not in over]
    here = [run_id for run_id in left if run_id not in elsewhere]
    # A sweep's name would ask to cancel what is not this cluster's, too.
    names = here if elsewhere else names_of_runs(left)
    return "\n".join(
        [
            "the runs go on",
            f"  come back:  tmgg-jobs wait {_shown(names_of_runs(left))}",
            *([f"  cancel:     tmgg-jobs cancel {_shown(names)}"] if names else []),
            *(
                [f"  {len(elsewhere)} of them can be cancelled only where they are"]
                * bool(elsewhere)
            ),
        ]
    )


def _shown(names: Sequence[str]) -> str:
    return shlex.join(names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")
