"""The local counterpart of a job script: start the experiment, wait, leave the exit record.

`python -m tmgg.experiment_utils.cloud.local_supervisor SUBMISSION_FOLDER`. SIGTERM ends the
experiment's whole session; TERM first, KILL after a grace.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from tmgg.experiment_utils.atomic_file import write_atomic
from tmgg.experiment_utils.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.phases import write_phase

KILL_AFTER_S = 10.0


class _TerminatedError(Exception):
    """SIGTERM arrived."""


def main(folder: Path) -> int:
    paths = submission_paths(folder)
    signal.signal(signal.SIGTERM, _on_term)
    job_id = str(os.getpid())
    write_phase(paths, "batch_start")
    received, stage, code = "", "entrypoint", 0
    process = None
    try:
        if paths.cancel.exists():
            stage = "cancelled"
        else:
            process = _start(paths, job_id)
            code = process.wait()
    except _TerminatedError:
        received = "TERM"
        code = _end(process) if process is not None else 143
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if process is not None:
            _kill_session(process.pid)
    _leave_record(paths, job_id, stage=stage, received=received, code=code)
    return code


def _start(paths: SubmissionPaths, job_id: str) -> subprocess.Popen[bytes]:
    entrypoint = "import sys; from tmgg.experiment_utils.execute import execute_task; "
    entrypoint += "sys.exit(execute_task(sys.argv[1]))"
    return subprocess.Popen(
        [sys.executable, "-u", "-c", entrypoint, str(paths.folder)],
        start_new_session=True,
        env=os.environ | {"TMGG_JOB_ID": job_id, "TMGG_RESTART": "0"},
    )


def _end(process: subprocess.Popen[bytes]) -> int:
    _signal_session(process.pid, signal.SIGTERM)
    try:
        return process.wait(timeout=KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        _kill_session(process.pid)
        return process.wait()


def _kill_session(leader: int) -> None:
    _signal_session(leader, signal.SIGKILL)


def _signal_session(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _leave_record(
    paths: SubmissionPaths, job_id: str, *, stage: str, received: str, code: int
) -> None:
    write_phase(paths, "batch_end")
    try:
        entrypoint = int(paths.entrypoint_exit_code.read_text())
    except (OSError, ValueError):
        entrypoint = None
    record = {
        "version": 1,
        "job_id": job_id,
        "restart": 0,
        "stage": stage,
        "signal": received,
        "exit_code": code if code >= 0 else 128 - code,
        "entrypoint_exit_code": entrypoint,
        "ended_at": time.time(),
    }
    write_atomic(paths.ended, json.dumps(record).encode())


def _on_term(_number: int, _frame: FrameType | None) -> None:
    raise _TerminatedError


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
