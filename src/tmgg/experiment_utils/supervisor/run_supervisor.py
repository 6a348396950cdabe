"""What each supervisor does with a run, from the claim to the exit record.

The caller defines how the experiment's process is started: as a new Python interpreter
(`supervise`), or as a fork of a warm one (`packed/keeper.py`). For a Slurm job, the job script is
the supervisor.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace

from tmgg.experiment_utils.files.hiccups import file_system_error
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.job.job_exit_codes import (
    CANNOT_WRITE,
    NOT_STARTED,
    SUPERVISOR_FAILED,
    TERMINATED,
    shell_code,
)
from tmgg.experiment_utils.run_folder.attempt_log import line_end_before, render_mark
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.phases import write_phase
from tmgg.experiment_utils.supervisor import processes
from tmgg.experiment_utils.supervisor.claim_run import Start, begin_start, claim_run
from tmgg.experiment_utils.supervisor.memory import count_oom_kills
from tmgg.experiment_utils.supervisor.run_end import Limits, wait_for_end

_KILL_TIMEOUT_S = 5.0
_KILLED = shell_code(-signal.SIGKILL)

StartProcess = Callable[[Start], int | None]
"""Starts the experiment as the leader of a session. Returns its process id, or None if SIGTERM came
first. Raises OSError and SubprocessError."""


def become_supervisor(limits: Limits) -> None:
    """Prepare this process; a supervisor calls this first."""
    # Signals are blocked and waited for, not handled, so none can get lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, limits.watched)
    processes.adopt_orphans()


def take_logs(run: RunPaths) -> None:
    """Let this process print into the run's own logs from now on. Raises OSError."""
    for number, path in ((1, run.stdout), (2, run.stderr)):
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.dup2(log, number)
        os.close(log)


def supervise_run(start: Start, start_process: StartProcess, limits: Limits) -> End | None:
    """Start the run and wait for its end, which is returned; None if this job must not do the run.

    Raises OSError when its files cannot be written.
    """
    try:
        claimed = leave(lambda: claim_run(start), start.paths.folder)
    except OSError:
        _mark_logs(start)  # else the error is taken for a part of an earlier start's logs
        raise
    if isinstance(claimed, str):
        sys.stdout.write(f"tmgg: not needed, {claimed}\n")
        return None
    end = _run(claimed, start_process, limits)
    write_phase(start.paths, "batch_end", restart=claimed.restart)
    leave_exit_record(start.paths, end)
    return end


def _run(start: Start, start_process: StartProcess, limits: Limits) -> End:
    try:
        _begin(start)
        if is_there(start.paths.cancel):
            return start.end(0, stage="cancelled")
        process = start_process(start)
    except (OSError, subprocess.SubprocessError) as error:
        words = f"The experiment's process could not be started: {error}."
        why = failure("environment", words, hint="unstarted")
        return start.end(NOT_STARTED, stage="preflight", why=why)
    if process is None:
        return start.end(TERMINATED, stage="cancelled", received="TERM")
    return _see_out(process, start, limits)


def _begin(start: Start) -> None:
    leave(lambda: begin_start(start), start.paths.folder)
    write_phase(start.paths, "batch_start", restart=start.restart)
    _mark_logs(start)


def _mark_logs(start: Start) -> None:
    # All starts append to the same two logs; each begins with a mark.
    submission, host = start.paths.number, socket.gethostname()
    mark = render_mark(submission, restart=start.restart, job_id=start.job_id, host=host)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        stream.flush()
        stream.write(f"{line_end_before(number)}{mark}\n")
        stream.flush()


def _see_out(process: int, start: Start, limits: Limits) -> End:
    oom_kills = count_oom_kills()
    try:
        end = wait_for_end(process, start, limits)
    finally:
        _kill_leftovers()
    by_others = end.exit_code == _KILLED and not end.received and end.failure is None
    if by_others and count_oom_kills() > oom_kills:
        words = "SIGKILL ended it, and meanwhile the kernel killed processes of its control group "
        return replace(end, failure=failure("out_of_memory", f"{words}for want of memory."))
    return end


def _kill_leftovers() -> None:
    """Kill processes that the experiment has left, in any session."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return  # the usual case: none is left, and listing all processes takes milliseconds
    processes.kill_descendants(timeout_s=_KILL_TIMEOUT_S)


def exit_code_of(supervisor: Callable[[], int]) -> int:
    """Call `supervisor` and return the exit code for its process, also if it raises an error."""
    try:
        return supervisor()
    except BaseException as error:  # the top level of a process
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return SUPERVISOR_FAILED if file_system_error(error) is None else CANNOT_WRITE
