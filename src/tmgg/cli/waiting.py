"""Waiting for runs at a terminal: the live view, the time limit, Ctrl-C, and the last words."""

import contextlib
import os
import shlex
import signal
from collections.abc import Iterator, Sequence

import typer

from tmgg.cli import exit_codes
from tmgg.cli.live import LiveView
from tmgg.cli.printing import put_json, put_table, say
from tmgg.cli.progress import SweepProgress
from tmgg.cli.run_json import poll_or_raise, to_json
from tmgg.errors import TmggError
from tmgg.experiment_utils.cloud import waiting
from tmgg.experiment_utils.cloud.reattach import Reattached
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.waiting import LimitedClock, TimeIsUpError

NAMES_SHOWN = 20


def wait_and_tell(
    reattached: Reattached, *, limit_s: float | None, cancel_on_interrupt: bool, as_json: bool
) -> int:
    """Wait for all runs to end, print how they stand, and return the exit code."""
    run_ids = [run.run_id for run in reattached.runs]
    timed_out = False
    progress = SweepProgress(
        total=len(run_ids), read_metrics=lambda run_id: reattached.collect(run_id).metrics
    )
    view = LiveView(progress)
    with interruptible(reattached, cancel=cancel_on_interrupt):
        try:
            with view:
                for _ended in waiting.wait(
                    reattached, run_ids, on_update=view, clock=LimitedClock(limit_s)
                ):
                    pass
        except TimeIsUpError:
            timed_out = True
        states = poll_or_raise(reattached)
    tell(reattached, states, as_json=as_json)
    if timed_out and not all(state.final for state in states):
        say(f"the time is over; {_how_to_come_back(reattached, states)}")
        return exit_codes.TIMED_OUT
    failed = any(state.status == "failed" for state in states)
    return exit_codes.FAILED if failed else exit_codes.OK


def tell(reattached: Reattached, states: Sequence[RunState], *, as_json: bool) -> None:
    """How the runs stand, on standard output; what to do about failures on standard error."""
    if as_json:
        runs = zip(reattached.runs, states, strict=True)
        put_json({"runs": [to_json(run, state) for run, state in runs]})
        return
    put_table(
        ("run", "status", "attempt", "failure"),
        [
            [
                state.run_id,
                state.status,
                str(state.attempt),
                state.failure.kind if state.failure else "",
            ]
            for state in states
        ],
    )
    for state in states:
        if state.failure is not None and len(states) == 1:
            say(f"{state.failure.message}\nHINT: {state.failure.hint}")


@contextlib.contextmanager
def interruptible(reattached: Reattached, *, cancel: bool = False) -> Iterator[None]:
    """Ctrl-C loses nothing: it says how to come back and how to cancel. A second just leaves."""
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(exit_codes.INTERRUPTED))
        say("")
        if cancel:
            _cancel(reattached)
        else:
            say(f"interrupted; {_how_to_come_back(reattached, [])}")
        raise typer.Exit(exit_codes.INTERRUPTED) from None


def _cancel(reattached: Reattached) -> None:
    try:
        cancelled = sum(reattached.cancel())
        say(f"interrupted; {cancelled} runs are cancelled")
    except TmggError as error:
        say(f"interrupted, and the runs could not be cancelled: {error}")
        say(_how_to_come_back(reattached, []))


def _how_to_come_back(reattached: Reattached, states: Sequence[RunState]) -> str:
    over = {state.run_id for state in states if state.final}
    names = [run.run_id for run in reattached.runs if run.run_id not in over]
    shown = shlex.join(names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")
    return (
        "the runs go on\n"
        f"  come back:  tmgg-jobs wait {shown}\n"
        f"  cancel:     tmgg-jobs cancel {shown}"
    )
