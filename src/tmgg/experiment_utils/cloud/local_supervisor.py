"""The local counterpart of a job script: start the experiment, wait, leave the exit record.

`python -m tmgg.experiment_utils.cloud.local_supervisor SUBMISSION_FOLDER`. SIGTERM ends the
experiment's whole session; TERM first, KILL after a grace.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tmgg.experiment_utils.attempt_log import render_mark
from tmgg.experiment_utils.exit_record import End, leave_exit_record
from tmgg.experiment_utils.ownership import claim
from tmgg.experiment_utils.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.phases import write_phase
from tmgg.experiment_utils.registry import process_name

KILL_AFTER_S = 10.0
_WATCHED = {signal.SIGTERM, signal.SIGCHLD}


def main(folder: Path) -> int:
    # Blocked and waited for, not handled: no moment is left in which a signal could get lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    paths = submission_paths(folder)
    job_id = process_name(os.getpid())
    owner = claim(paths, job_id)
    if owner != job_id:
        sys.stdout.write(f"tmgg: not needed, this submission belongs to {owner}\n")
        return 0
    write_phase(paths, "batch_start")
    _mark_logs(paths, job_id)
    end = End(job_id=job_id, stage="cancelled") if paths.cancel.exists() else _run(paths, job_id)
    write_phase(paths, "batch_end")
    leave_exit_record(paths, end)
    return end.exit_code


def _mark_logs(paths: SubmissionPaths, job_id: str) -> None:
    mark = render_mark(paths.number, restart=0, job_id=job_id, host=socket.gethostname())
    for stream in (sys.stdout, sys.stderr):
        stream.write(f"{mark}\n")
        stream.flush()


def _run(paths: SubmissionPaths, job_id: str) -> End:
    process = _start(paths, job_id)
    try:
        if _wait(process) == "TERM":
            return End(job_id=job_id, exit_code=_shell_code(_end(process)), received="TERM")
        return End(job_id=job_id, exit_code=_shell_code(process.returncode))
    finally:
        # What the experiment started and left behind.
        _signal_session(process.pid, signal.SIGKILL)


def _start(paths: SubmissionPaths, job_id: str) -> subprocess.Popen[bytes]:
    entrypoint = "import sys; from tmgg.experiment_utils.execute import execute_task; "
    entrypoint += "sys.exit(execute_task(sys.argv[1]))"
    environment = os.environ | {"TMGG_JOB_ID": job_id, "TMGG_RESTART": "0"}
    environment.pop("TMGG_RAY_ADDRESS", None)  # of an enclosing job: not this run's own
    return subprocess.Popen(
        [sys.executable, "-u", "-c", entrypoint, str(paths.folder)],
        start_new_session=True,
        env=environment,
        preexec_fn=_unblock_signals,
    )


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)


def _wait(process: subprocess.Popen[bytes]) -> str:
    """Until the process has ended, or SIGTERM has come first."""
    while process.poll() is None:
        if signal.sigwait(_WATCHED) == signal.SIGTERM:
            return "TERM"
    return ""


def _end(process: subprocess.Popen[bytes]) -> int:
    _signal_session(process.pid, signal.SIGTERM)
    try:
        return process.wait(timeout=KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        _signal_session(process.pid, signal.SIGKILL)
        return process.wait()


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
