"""Writes the content of an envelope to the files of a run, which then are as for other backends."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tmgg.experiment_utils.cloud.modal.parcel import Envelope, unpack_folder
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.ownership import claim
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, SubmissionPaths
from tmgg.experiment_utils.run_folder.records import parse_record


def deliver(submission: SubmissionPaths, call_id: str, envelope: Envelope) -> None:
    """Write the content of the envelope, the exit record last. Repeating it changes nothing.

    Raises OSError if the files cannot be written, RecordError if the envelope is damaged.
    """
    with _alone(submission):
        if is_there(submission.ended):
            return
        claim(submission, call_id)
        if envelope.artifacts:
            unpack_folder(envelope.artifacts, submission.run_paths.artifacts)
        _append_logs(submission, envelope)
        write_atomic(submission.phases, envelope.phases.encode())
        if envelope.result is not None:
            write_json(submission.result, _at_home(envelope, submission))
            code = 0 if envelope.result.get("status") == "completed" else 1
            write_atomic(submission.entrypoint_exit_code, f"{code}\n".encode())
        if envelope.usage is not None:
            write_json(submission.usage, envelope.usage)
        if envelope.exit_record is not None:
            write_atomic(submission.ended, json.dumps(envelope.exit_record).encode())


@contextlib.contextmanager
def _alone(submission: SubmissionPaths) -> Iterator[None]:
    """Only one process at a time is within this block; the others wait."""
    descriptor = os.open(submission.folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _at_home(envelope: Envelope, submission: SubmissionPaths) -> JsonDict:
    """The result, with the checkpoint's path on this machine."""
    assert envelope.result is not None
    result = dict(envelope.result)
    checkpoint = result.get("checkpoint_path")
    if isinstance(checkpoint, str) and Path(checkpoint).is_relative_to(envelope.artifacts_root):
        inside = Path(checkpoint).relative_to(envelope.artifacts_root)
        result["checkpoint_path"] = str(submission.run_paths.artifacts / inside)
    return result


def _append_logs(submission: SubmissionPaths, envelope: Envelope) -> None:
    run = submission.run_paths
    starts = _log_starts(submission)
    _append_once(run.stdout, envelope.stdout, starts.stdout)
    _append_once(run.stderr, envelope.stderr, starts.stderr)


@dataclass(frozen=True, kw_only=True, slots=True)
class _LogStarts:
    """The content of `log_starts.json`: sizes of the logs before the first delivery, in bytes."""

    stdout: int
    stderr: int


def _log_starts(submission: SubmissionPaths) -> _LogStarts:
    """The first delivery notes the sizes, so that a repeated one knows what is already written."""
    path, run = submission.log_starts, submission.run_paths
    value = read_json(path)
    if value is not None:
        return parse_record(_LogStarts, value, what=str(path), newest_version=LAYOUT_VERSION)
    starts = _LogStarts(stdout=_size(run.stdout), stderr=_size(run.stderr))
    write_json(path, {"version": LAYOUT_VERSION, **asdict(starts)})
    return starts


def _append_once(log: Path, text: bytes, start: int) -> None:
    """Append the part of the text that an earlier, interrupted delivery has not written."""
    with log.open("ab+") as stream:
        stream.seek(start)
        stream.write(text.removeprefix(stream.read(len(text))))


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0
