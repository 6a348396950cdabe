"""Waits for the end of a run's process, and ends it after SIGTERM, a cancellation or a limit."""

import contextlib
import math
import os
import signal
import time
from dataclasses import dataclass

from tmgg.errors import TmggError
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.job.artifacts import UPLOAD_WITHIN_S
from tmgg.experiment_utils.job.job_exit_codes import shell_code
from tmgg.experiment_utils.job.timeout import GRACE_S
from tmgg.experiment_utils.run_folder.attempts import task_of_attempt
from tmgg.experiment_utils.run_folder.exit_record import End
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.supervisor import processes
from tmgg.experiment_utils.supervisor.claim_run import Start

LOOK_EVERY_S = 0.5
KILL_AFTER_S = 10.0
HARD_LIMIT_AFTER_S = GRACE_S + 15.0
# Imports take minutes if many nodes read one file system at once; the experiment's own time limit
# begins after them.
_SLOW_START_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """When the supervisor ends the process, and how."""

    kill_after_s: float = KILL_AFTER_S
    """How many seconds the process may take to end after SIGTERM before it is killed."""
    hard_limit_after_s: float = HARD_LIMIT_AFTER_S + _SLOW_START_S
    """How many seconds after `timeout_seconds` it is ended, if it has not ended itself."""
    out_of_time: signal.Signals | None = None
    """The signal that tells the supervisor that the allocation's time is nearly over."""

    @property
    def watched(self) -> set[signal.Signals]:
        own = {signal.SIGTERM, signal.SIGCHLD}
        return own if self.out_of_time is None else own | {self.out_of_time}


def wait_for_end(process: int, start: Start, limits: Limits) -> End:
    """Wait until the process has ended by itself, or end it if it must end.

    The process must be a child of this one and the leader of a session, and the watched signals
    must be blocked. Reaps adopted orphans meanwhile.
    """
    timeout_s, limit_s = _limits_of_task(start.paths, limits)
    deadline_s, look_at_s = time.monotonic() + limit_s, time.monotonic() + LOOK_EVERY_S

    def end() -> int:
        return shell_code(processes.end_session(process, kill_after_s=limits.kill_after_s))

    while (code := dict(processes.reap()).get(process)) is None:
        found = signal.sigtimedwait(limits.watched, max(0.0, look_at_s - time.monotonic()))
        if found is not None and found.si_signo == signal.SIGTERM:
            return start.end(end(), received="TERM")
        if found is not None and found.si_signo == limits.out_of_time:
            words = "The allocation's time limit came before the end of this run."
            return start.end(end(), why=failure("timeout", words))
        if time.monotonic() < look_at_s:
            continue  # another process of the run has ended
        if _is_cancelled(start.paths):
            return start.end(end(), received=_told(within_s=0))
        if time.monotonic() >= deadline_s:
            words = f"timeout_seconds={timeout_s} is over, and it did not end itself."
            return start.end(end(), why=failure("timeout", words, hint="own_limit"))
        look_at_s = time.monotonic() + LOOK_EVERY_S
    # If SIGTERM ended it, this process may get SIGTERM, too: Slurm signals one after the other.
    by_term = code == -signal.SIGTERM
    return start.end(shell_code(code), received=_told(within_s=LOOK_EVERY_S) if by_term else "")


def _limits_of_task(paths: SubmissionPaths, limits: Limits) -> tuple[float | None, float]:
    """The run's own time limit or None, and when its process is ended; seconds from its start."""
    try:
        task = leave(lambda: task_of_attempt(paths), paths.folder)
    except (OSError, TmggError):  # the run's process reads the task, too, and reports the error
        return None, math.inf
    if task.timeout_seconds is None:
        return None, math.inf
    sending_s = 0.0 if task.artifact_url is None else UPLOAD_WITHIN_S
    return task.timeout_seconds, task.timeout_seconds + sending_s + limits.hard_limit_after_s


def _told(*, within_s: float) -> str:
    return "" if signal.sigtimedwait({signal.SIGTERM}, within_s) is None else "TERM"


def _is_cancelled(paths: SubmissionPaths) -> bool:
    # A listing, not a stat: opening a folder makes an NFS client ask its server again.
    with contextlib.suppress(OSError), os.scandir(paths.folder) as entries:
        return any(entry.name == paths.cancel.name for entry in entries)
    return False
