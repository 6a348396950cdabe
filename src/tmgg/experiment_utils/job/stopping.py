"""Asks an experiment to save its state and end: by the file `stop`, which SIGTERM makes, too."""

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
"""The process got SIGTERM."""
TIME_LIMIT = "time_limit"
_REASONS = (TIME_LIMIT, "preemption", TERMINATED)


def read_stop_reason(paths: SubmissionPaths) -> str | None:
    """Why the experiment was asked to end; None if it was not, or if a user made the file."""
    try:
        reason = paths.stop.read_text(errors="replace").strip()
    except OSError:
        return None
    return reason if reason in _REASONS else None


@contextlib.contextmanager
def heeding_term(paths: SubmissionPaths) -> Iterator[None]:
    """Within the `with` block, SIGTERM lets an experiment save its state if it can.

    These are experiments that call `stop_requested`, or that handle the run's stop signal. Any
    other experiment is ended at once, as without TMGG. Main thread only.
    """
    heeded: list[int] = []
    owner = os.getpid()

    def on_term(number: int, _frame: FrameType | None) -> None:
        # A forked child may have this handler, too, and must end at once: pools end their children
        # so. A superseded start ends at once, too: it must not write the later start's files.
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
        # Slurm sends SIGTERM twice: the second must not end the process before it has reported.
        if signal.getsignal(signal.SIGTERM) is on_term:
            signal.signal(signal.SIGTERM, signal.SIG_IGN if heeded else previous)


def drop_stop(paths: SubmissionPaths, reason: str) -> None:
    """Ask the experiment to save its state and end, unless it was asked already.

    All starts of the run see the file, so a superseded start must not call this.
    """
    # Errors are ignored: the run may have no folder yet; on a full disk it could not save either.
    with contextlib.suppress(OSError), paths.stop.open("x") as stream:
        stream.write(f"{reason}\n")
