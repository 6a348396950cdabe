"""One run's supervisor: claim the run, fork its process, wait, leave the exit record.

Forked from the warm parent, so it costs milliseconds. For a packed run it is what the job script is
for a run that has a job of its own.
"""

import contextlib
import math
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from typing import NoReturn

from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.job.job_exit_codes import CANNOT_WRITE, SUPERVISOR_FAILED, shell_code
from tmgg.experiment_utils.packed.claim_run import Begun, begin
from tmgg.experiment_utils.packed.memory import count_oom_kills
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.packed.run_process import become_run
from tmgg.experiment_utils.run_folder.attempts import task_of_attempt
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.failures import Failure, failure
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.phases import write_phase
from tmgg.experiment_utils.supervisor import processes
from tmgg.experiment_utils.supervisor.job_start import mark_logs

RECORDED = 0
NOT_NEEDED = 3
"""The run is not this job's, or has ended before."""
OUT_OF_TIME = signal.SIGUSR1
"""Sent to a keeper when the allocation's time is nearly over."""

LOOK_EVERY_S = 0.5
_KILL_TIMEOUT_S = 5.0
_WATCHED = {signal.SIGTERM, signal.SIGCHLD, OUT_OF_TIME}


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    """As a shell has it."""
    received: str = ""
    why: Failure | None = None


def be_keeper(order: Order, *, parent: int) -> NoReturn:
    """Everything that becomes of this process, which the warm parent has just forked."""
    code = SUPERVISOR_FAILED
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        processes.end_with_parent(parent, signal.SIGKILL)
        processes.adopt_orphans()
        leave(lambda: _take_streams(order.paths), order.paths.run_paths.output_dir)
        code = _keep(order)
    except BaseException as error:  # the top of a process; above it is the warm parent's own code
        with contextlib.suppress(OSError):
            traceback.print_exc()
        code = CANNOT_WRITE if isinstance(error, OSError) else SUPERVISOR_FAILED
    finally:
        os._exit(code)


def _take_streams(paths: SubmissionPaths) -> None:
    run = paths.run_paths
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    for number, path in ((1, run.stdout), (2, run.stderr)):
        os.dup2(os.open(path, flags, 0o644), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)


def _keep(order: Order) -> int:
    paths = order.paths
    begun = leave(
        lambda: begin(paths, job_id=order.job_id, restart=order.restart), paths.run_paths.output_dir
    )
    if isinstance(begun, str):
        sys.stdout.write(f"tmgg: not needed, {begun}\n")
        return NOT_NEEDED
    mark_logs(paths, restart=begun.restart, job_id=order.job_id)
    write_phase(paths, "batch_start")
    stage, ended = ("cancelled", _Ended(0)) if begun.is_cancelled else _run(order, begun)
    write_phase(paths, "batch_end")
    end = End(
        job_id=order.job_id,
        restart=begun.restart,
        stage=stage,
        exit_code=ended.code,
        received=ended.received,
        scope="run",
        host=socket.gethostname(),
        failure=ended.why,
    )
    leave_exit_record(paths, end)
    return RECORDED


def _run(order: Order, begun: Begun) -> tuple[str, _Ended]:
    keeper = os.getpid()
    oom_kills = count_oom_kills()
    child = os.fork()
    if child == 0:
        _unwatch()
        become_run(order, keeper=keeper, restart=begun.restart)
    ended = _wait(child, order)
    _kill_leftovers()
    killed = ended.code == 128 + signal.SIGKILL and ended.why is None and not ended.received
    if killed and count_oom_kills() > oom_kills:
        why = failure("out_of_memory", "The kernel killed it: the job's memory was used up.")
        return "entrypoint", _Ended(ended.code, why=why)
    return "entrypoint", ended


def _unwatch() -> None:
    for number in _WATCHED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)


def _wait(child: int, order: Order) -> _Ended:
    """Until the run's process has ended, by itself or because it has to."""
    task = leave(lambda: task_of_attempt(order.paths), order.paths.folder)
    timeout_s = task.timeout_seconds
    limit_s = math.inf if timeout_s is None else timeout_s + order.hard_limit_after_s
    now_s = time.monotonic()
    deadline_s, look_at_s = now_s + limit_s, now_s + LOOK_EVERY_S
    while True:
        code = _reap(child)
        if code is not None:
            return _Ended(code, received="TERM" if _was_told_too(code) else "")
        found = signal.sigtimedwait(_WATCHED, max(0.0, look_at_s - time.monotonic()))
        asked = found.si_signo if found is not None else None
        if asked == signal.SIGTERM:
            return _Ended(_end(child, order.kill_after_s), received="TERM")
        if asked == OUT_OF_TIME:
            return _Ended(_end(child, order.kill_after_s), why=_out_of_time())
        if time.monotonic() < look_at_s:
            continue  # a process that the run left behind has ended
        if _is_cancelled(order.paths):
            return _Ended(_end(child, order.kill_after_s))
        if time.monotonic() >= deadline_s:
            return _Ended(_end(child, order.kill_after_s), why=_timed_out(timeout_s))
        look_at_s = time.monotonic() + LOOK_EVERY_S


def _was_told_too(code: int) -> bool:
    """Whether what ended the run by SIGTERM means this process, too: the end of the allocation."""
    if code != shell_code(-signal.SIGTERM):
        return False
    # Slurm signals one process after the other.
    return signal.sigtimedwait({signal.SIGTERM}, LOOK_EVERY_S) is not None


def _is_cancelled(paths: SubmissionPaths) -> bool:
    # A listing, not a stat: opening a folder makes an NFS client ask the server again.
    with contextlib.suppress(OSError), os.scandir(paths.folder) as entries:
        return any(entry.name == paths.cancel.name for entry in entries)
    return False


def _out_of_time() -> Failure:
    return failure("timeout", "The allocation's time limit came before the end of this run.")


def _timed_out(timeout_s: float | None) -> Failure:
    return failure("timeout", f"timeout_seconds={timeout_s} is over, and it did not end itself.")


def _end(child: int, kill_after_s: float) -> int:
    return shell_code(processes.end_session(child, kill_after_s=kill_after_s))


def _reap(child: int) -> int | None:
    """The child's exit code once it has ended; reaps what it left to this process, too."""
    for pid, code in processes.reap():
        if pid == child:
            return shell_code(code)
    return None


def _kill_leftovers() -> None:
    """What the run started and left behind, whatever session it took."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    processes.kill_descendants(timeout_s=_KILL_TIMEOUT_S)
