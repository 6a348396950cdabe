"""Asking an experiment to save its state and end: the file `stop`, and SIGTERM, which drops it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from tmgg.experiment_utils.job.context import heeds_stop
from tmgg.experiment_utils.job.fork_signals import replaced_in_children
from tmgg.experiment_utils.job.stop_signal import heeds_signal, mark_own_handler
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.starts import is_superseded, own_restart

TERMINATED = "terminated"
"""Somebody asked for the end with SIGTERM."""
TIME_LIMIT = "time_limit"
_REASONS = (TIME_LIMIT, "preemption", TERMINATED)


def read_stop_reason(paths: SubmissionPaths) -> str | None:
    """Why the experiment was asked to end; None when it was not, or by hand."""
    try:
        reason = paths.stop.read_text(errors="replace").strip()
    except OSError:
        return None
    return reason if reason in _REASONS else None


@contextlib.contextmanager
def heeding_term(paths: SubmissionPaths) -> Iterator[None]:
    """While it runs, SIGTERM leaves an experiment that heeds it the time to save: one that asks
    about stopping, or handles the signal by which it is told.

    Any other experiment it ends at once, as ever. Main thread only.
    """
    heeded: list[int] = []
    owner = os.getpid()

    def on_term(number: int, _frame: FrameType | None) -> None:
        # A forked child has this handler, too, and ends as any other: pools end theirs so. So does
        # a start that a later one has taken over from: what it would save is the later one's.
        heeds = os.getpid() == owner and (heeds_stop() or heeds_signal())
        if heeds and not is_superseded(paths, own_restart()):
            heeded.append(number)
            drop_stop(paths, TERMINATED)
        else:
            signal.signal(signal.SIGTERM, previous)
            os.kill(os.getpid(), signal.SIGTERM)

    mark_own_handler(on_term)
    previous = signal.signal(signal.SIGTERM, on_term)
    try:
        with replaced_in_children(signal.SIGTERM, previous):
            yield
    finally:
        # Slurm sends it twice: what was saved must still be reported.
        if signal.getsignal(signal.SIGTERM) is on_term:
            signal.signal(signal.SIGTERM, signal.SIG_IGN if heeded else previous)


def drop_stop(paths: SubmissionPaths, reason: str) -> None:
    """Ask the experiment to save its state and end, unless it was asked already.

    All starts of the run see it: one that is superseded must not ask.
    """
    # A run that only just begins has no folder; a full disk is the experiment's trouble, too.
    with contextlib.suppress(OSError), paths.stop.open("x") as stream:
        stream.write(f"{reason}\n")
