"""The local counterpart of a job script: start the experiment, wait, leave the exit record.

`python -m tmgg.experiment_utils.cloud.local_supervisor SUBMISSION_FOLDER`. SIGTERM ends the
experiment's whole session; TERM first, KILL after a grace. Whatever the experiment started, in
whatever session, ends with it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tmgg.experiment_utils.cloud import processes
from tmgg.experiment_utils.cloud.room import Wish, wait_for_room
from tmgg.experiment_utils.exit_record import End, leave_exit_record
from tmgg.experiment_utils.failures import UNSTARTED_HINT, failure
from tmgg.experiment_utils.job_start import mark_logs, set_aside_earlier
from tmgg.experiment_utils.ownership import claim
from tmgg.experiment_utils.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.phases import write_phase
from tmgg.experiment_utils.registry import load_run, process_name

KILL_AFTER_S = 10.0
_SWEEP_TIMEOUT_S = 5.0
_WATCHED = {signal.SIGTERM, signal.SIGCHLD}
# Of an enclosing job: not this run's own.
_FOREIGN = "TMGG_RAY_ADDRESS"


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
    wish = Wish.of_settings(load_run(paths.run_paths).settings)
    return supervise(Start(paths, process_name(os.getpid())), lambda: wait_for_room(wish))


def supervise(start: Start, prepare: Prepare) -> int:
    """Run the experiment; its exit code."""
    # Blocked and waited for, not handled: no moment is left in which a signal could get lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    processes.adopt_orphans()
    owner = claim(start.paths, start.job_id)
    if owner != start.job_id:
        sys.stdout.write(f"tmgg: not needed, this submission belongs to {owner}\n")
        return 0
    end = _run(start, prepare)
    write_phase(start.paths, "batch_end")
    leave_exit_record(start.paths, end)
    return end.exit_code


def _run(start: Start, prepare: Prepare) -> End:
    try:
        begun = _begin(start, prepare)
    except (OSError, subprocess.SubprocessError) as error:
        words = f"The experiment's process could not be started: {error}."
        why = failure("environment", words, hint=UNSTARTED_HINT)
        return replace(start.end(os.EX_OSERR, stage="preflight"), failure=why)
    return begun if isinstance(begun, End) else _see_out(start, begun)


def _begin(start: Start, prepare: Prepare) -> subprocess.Popen[bytes] | End:
    """The experiment's process, or how it ended before there was one."""
    if start.restart > 0:
        set_aside_earlier(start.paths, restart=start.restart)
    write_phase(start.paths, "batch_start")
    mark_logs(start.paths, restart=start.restart, job_id=start.job_id)
    if start.paths.cancel.exists():
        return start.end(0, stage="cancelled")
    environment = prepare()
    if environment is None:
        return start.end(_shell_code(-signal.SIGTERM), stage="cancelled", received="TERM")
    return _start(start, environment)


def _see_out(start: Start, process: subprocess.Popen[bytes]) -> End:
    try:
        code = _wait(process.pid)
        if code is None:
            process.returncode = _end(process.pid)
            return start.end(_shell_code(process.returncode), received="TERM")
        process.returncode = code  # reaped here, not by Popen
        return start.end(_shell_code(code))
    finally:
        # What the experiment started and left behind, daemons included.
        processes.kill_descendants(timeout_s=_SWEEP_TIMEOUT_S)


def _start(start: Start, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    entrypoint = "import sys; from tmgg.experiment_utils.execute import execute_task; "
    entrypoint += "sys.exit(execute_task(sys.argv[1]))"
    inherited = {name: value for name, value in os.environ.items() if name != _FOREIGN}
    own = {"TMGG_JOB_ID": start.job_id, "TMGG_RESTART": str(start.restart)}
    supervisor = os.getpid()

    def begin() -> None:
        processes.end_with_parent(supervisor, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)

    return subprocess.Popen(
        [sys.executable, "-u", "-c", entrypoint, str(start.paths.folder)],
        start_new_session=True,
        env=inherited | own | dict(environment),
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


def _end(child: int) -> int:
    _signal_session(child, signal.SIGTERM)
    deadline = time.monotonic() + KILL_AFTER_S
    while True:
        ended = dict(processes.reap())
        if child in ended:
            return ended[child]
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            _signal_session(child, signal.SIGKILL)
            return processes.wait_for(child)
        signal.sigtimedwait({signal.SIGCHLD}, left_s)


def _signal_session(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _shell_code(returncode: int) -> int:
    """As a shell has it: 128 and the signal's number for a process that was killed."""
    return returncode if returncode >= 0 else 128 - returncode


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
