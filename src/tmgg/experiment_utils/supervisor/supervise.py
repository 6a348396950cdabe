"""The local counterpart of a job script: start the experiment, wait, leave the exit record.

`python -m tmgg.experiment_utils.supervisor.supervise SUBMISSION_FOLDER`. SIGTERM ends the
experiment's whole session; TERM first, KILL after a grace. Whatever the experiment started, in
whatever session, ends with it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tmgg.experiment_utils.cloud.local.reservations import Wish, wait_for_room
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.job.job_environment import (
    ROOT_VARIABLE,
    TOKEN_VARIABLE,
    forget_enclosing_job,
    with_own,
)
from tmgg.experiment_utils.job.job_exit_codes import NOT_STARTED, shell_code
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.evidence_token import expect_token
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.ownership import claim
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.run_folder.phases import write_phase
from tmgg.experiment_utils.run_folder.registry import process_name
from tmgg.experiment_utils.supervisor import processes
from tmgg.experiment_utils.supervisor.job_start import mark_logs, set_aside_earlier

KILL_AFTER_S = 10.0
_SWEEP_TIMEOUT_S = 5.0
_WATCHED = {signal.SIGTERM, signal.SIGCHLD}

Prepare = Callable[[], Mapping[str, str] | None]
"""What the experiment's environment has besides this process's; None when SIGTERM came first."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a submission's job."""

    paths: SubmissionPaths
    job_id: str
    restart: int = 0
    """How often the backend had started the job before."""

    def end(self, exit_code: int, *, stage: str = "entrypoint", received: str = "") -> End:
        """How this start ended."""
        return End(
            job_id=self.job_id,
            restart=self.restart,
            stage=stage,
            exit_code=exit_code,
            received=received,
        )


def main(folder: Path) -> int:
    paths = submission_paths(folder)
    wish = Wish.of_settings(record_of(paths).settings)
    return supervise(Start(paths, process_name(os.getpid())), lambda: wait_for_room(wish))


def supervise(start: Start, prepare: Prepare) -> int:
    """Run the experiment; its exit code."""
    # Blocked and waited for, not handled: no moment is left in which a signal could get lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    processes.adopt_orphans()
    _take_token(start.paths)
    owner = leave(lambda: claim(start.paths, start.job_id), start.paths.folder)
    if owner != start.job_id:
        sys.stdout.write(f"tmgg: not needed, this submission belongs to {owner}\n")
        return 0
    end = _run(start, prepare)
    write_phase(start.paths, "batch_end")
    leave_exit_record(start.paths, end)
    return end.exit_code


def _take_token(paths: SubmissionPaths) -> None:
    """Note whose evidence this process and its experiment leave: not that of an enclosing job."""
    forget_enclosing_job()
    token = leave(lambda: expect_token(paths), paths.folder)
    if token is not None:
        os.environ[TOKEN_VARIABLE] = token


def _run(start: Start, prepare: Prepare) -> End:
    try:
        begun = _begin(start, prepare)
    except (OSError, subprocess.SubprocessError) as error:
        words = f"The experiment's process could not be started: {error}."
        why = failure("environment", words, hint="unstarted")
        return replace(start.end(NOT_STARTED, stage="preflight"), failure=why)
    return begun if isinstance(begun, End) else _see_out(start, begun)


def _begin(start: Start, prepare: Prepare) -> subprocess.Popen[bytes] | End:
    """The experiment's process, or how it ended before there was one."""
    if start.restart > 0:
        set_aside_earlier(start.paths, restart=start.restart)
    write_phase(start.paths, "batch_start")
    mark_logs(start.paths, restart=start.restart, job_id=start.job_id)
    if is_there(start.paths.cancel):
        return start.end(0, stage="cancelled")
    environment = prepare()
    if environment is None:
        return start.end(shell_code(-signal.SIGTERM), stage="cancelled", received="TERM")
    return _start(start, environment)


def _see_out(start: Start, process: subprocess.Popen[bytes]) -> End:
    try:
        code = _wait(process.pid)
        if code is None:
            process.returncode = processes.end_session(process.pid, kill_after_s=KILL_AFTER_S)
            return start.end(shell_code(process.returncode), received="TERM")
        process.returncode = code  # reaped here, not by Popen
        return start.end(shell_code(code))
    finally:
        # What the experiment started and left behind, daemons included.
        processes.kill_descendants(timeout_s=_SWEEP_TIMEOUT_S)


def _start(start: Start, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    entrypoint = "import sys; from tmgg.experiment_utils.job.execute import execute_task; "
    entrypoint += "sys.exit(execute_task(sys.argv[1]))"
    supervisor = os.getpid()
    own = {
        "TMGG_JOB_ID": start.job_id,
        "TMGG_RESTART": str(start.restart),
        ROOT_VARIABLE: str(supervisor),
    }

    def begin() -> None:
        processes.end_with_parent(supervisor, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)

    return subprocess.Popen(
        [sys.executable, "-u", "-c", entrypoint, str(start.paths.folder)],
        start_new_session=True,
        env=with_own(os.environ, environment) | own,
        preexec_fn=begin,
    )


def _wait(child: int) -> int | None:
    """The child's exit code once it has ended; None when SIGTERM has come first."""
    while True:
        ended = dict(processes.reap())
        if child in ended:
            return ended[child]
        if signal.sigwait(_WATCHED) == signal.SIGTERM:
            return None


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
