"""What a container does: claim the submission, run it as other backends do, and pack its files.

The experiment runs in its own process, under the supervisor that local runs have. So an experiment
that dies (out of memory, a signal, `os._exit`) leaves an exit record and not only a dead container.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tmgg.experiment_utils.cloud.modal import parcel as formats
from tmgg.experiment_utils.cloud.modal.bounded import within
from tmgg.experiment_utils.cloud.modal.cancellations import hearing, held_back
from tmgg.experiment_utils.cloud.modal.claims import Claims
from tmgg.experiment_utils.cloud.modal.parcel import Envelope, Parcel, as_container_errors
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.job import job_exit_codes
from tmgg.experiment_utils.run_folder.attempt_log import render_mark
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import Intent

# More than the ten seconds that the supervisor gives the experiment to end.
END_WITHIN_S = 15.0
CLAIM_WITHIN_S = 120.0
_SUPERVISOR = "tmgg.experiment_utils.cloud.modal.supervisor"


def run_parcel(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The deployed function: a `Parcel` in, an `Envelope` out, both as plain data.

    Raises ContainerError.
    """
    with as_container_errors(), held_back():
        parcel = Parcel.from_plain(plain)
        call_id = current_call_id()
        owner = hearing(lambda: within(CLAIM_WITHIN_S, claim(parcel.token, call_id)))
        if owner != call_id:
            return Envelope(owner=owner).to_plain()
        return run_claimed(parcel, call_id).to_plain()


def current_call_id() -> str:
    import modal  # always installed in a container, but perhaps not on the submitting side

    return str(modal.current_function_call_id())


async def claim(token: str, call_id: str) -> str:
    """The owner of the submission: this call, unless another was first or it is forbidden."""
    claims = Claims()
    owner = await claims.claim(token, call_id)
    if owner == call_id:
        await claims.mark_started(call_id)
    return owner


def run_claimed(parcel: Parcel, call_id: str, *arguments: str) -> Envelope:
    """Run the submission in a folder that is removed afterwards, as a container may run others.

    Further `arguments` go to the supervisor.
    """
    root = Path(tempfile.mkdtemp(prefix="tmgg-"))
    try:
        submission = _write_run(parcel, root)
        options = json.dumps(parcel.interpreter_options)
        _supervise(submission, parcel.base_dir, (call_id, options, *arguments))
        return _pack(submission, parcel, call_id)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def report_end(parcel: Parcel, call_id: str, *, stage: str, words: str) -> Envelope:
    """The envelope of a submission that ended before its experiment could begin."""
    root = Path(tempfile.mkdtemp(prefix="tmgg-"))
    try:
        submission = _write_run(parcel, root)
        host = socket.gethostname()
        mark = render_mark(parcel.submission, restart=0, job_id=call_id, host=host)
        submission.run_paths.stderr.write_text(f"{mark}\ntmgg: {words}\n")
        leave_exit_record(
            submission, End(job_id=call_id, stage=stage, exit_code=job_exit_codes.FAILED)
        )
        return _pack(submission, parcel, call_id)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _write_run(parcel: Parcel, root: Path) -> SubmissionPaths:
    paths = RunPaths(root, str(parcel.task["run_id"]))
    submission = paths.submission(parcel.submission)
    submission.folder.mkdir(parents=True)
    paths.ended_folder.mkdir()
    intent = Intent(token=parcel.token, evidence_has_token=True)
    write_json(submission.intent, intent.to_json())
    write_json(paths.task, parcel.task)
    formats.unpack_folder(parcel.artifacts, paths.artifacts)
    if parcel.payload is not None:
        write_atomic(paths.payload, parcel.payload)
    return submission


def _supervise(submission: SubmissionPaths, base_dir: str, arguments: Sequence[str]) -> None:
    Path(base_dir).mkdir(parents=True, exist_ok=True)
    run = submission.run_paths
    process = subprocess.Popen(
        [sys.executable, "-m", _SUPERVISOR, str(submission.folder), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=base_dir,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with (
        _copying(process.stdout, run.stdout, sys.stdout),
        _copying(process.stderr, run.stderr, sys.stderr),
    ):
        try:
            hearing(process.wait)
        finally:  # also if it was cancelled
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _copying(pipe: IO[bytes], log: Path, shown: IO[str]) -> Iterator[None]:
    """Within the block, copy the pipe to the run's log and to the output that Modal shows."""

    def copy() -> None:
        with log.open("ab") as stream:
            for line in pipe:
                stream.write(line)
                shown.write(line.decode(errors="replace"))
                shown.flush()

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(END_WITHIN_S)


def _pack(submission: SubmissionPaths, parcel: Parcel, call_id: str) -> Envelope:
    run = submission.run_paths
    artifacts, left_out = formats.pack_folder(
        run.artifacts, limit_bytes=parcel.artifacts_limit_bytes
    )
    result = read_json(submission.result)
    if left_out and parcel.task.get("artifact_url") is None and result is not None:
        result = _without_room(result, left_out, parcel.artifacts_limit_bytes)
    return Envelope(
        owner=call_id,
        exit_record=read_json(submission.ended),
        result=result,
        stdout=_tail(run.stdout),
        stderr=_tail(run.stderr),
        phases=_text(submission.phases),
        usage=read_json(submission.usage),
        artifacts=artifacts,
        artifacts_root=str(run.artifacts),
    )


def _without_room(result: JsonDict, left_out: list[str], limit_bytes: int) -> JsonDict:
    """A completed result as failed, because files did not fit; its metrics are kept."""
    if result.get("status") != "completed":
        return result
    shown = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
    return result | {
        "status": "failed",
        "stage": "artifacts",
        "error_type": "tmgg.errors.ArtifactError",
        "error_message": f"{shown} did not fit into artifacts_limit_mb={limit_bytes >> 20}",
    }


def _tail(log: Path) -> bytes:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - formats.LOG_BYTES))
            return stream.read()
    except FileNotFoundError:
        return b""


def _text(path: Path) -> str:
    return path.read_text() if is_there(path) else ""
