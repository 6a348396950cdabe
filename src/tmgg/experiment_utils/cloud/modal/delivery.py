"""From an envelope to the files of a run, so that all else is the same as for other backends."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tmgg.experiment_utils.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.cloud.modal.parcel import Envelope, unpack_folder
from tmgg.experiment_utils.ownership import claim
from tmgg.experiment_utils.paths import SubmissionPaths


def deliver(submission: SubmissionPaths, call_id: str, envelope: Envelope) -> None:
    """Write what came back, the exit record last; nothing when it has been done before.

    Raises OSError when the files cannot be written, RecordError when the envelope is damaged: then
    the next who asks tries again.
    """
    with _alone(submission):
        if submission.ended.exists():
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
        if envelope.exit_record is not None:
            write_atomic(submission.ended, json.dumps(envelope.exit_record).encode())


@contextlib.contextmanager
def _alone(submission: SubmissionPaths) -> Iterator[None]:
    """Of several processes that collect, one writes; the others wait for it."""
    descriptor = os.open(submission.folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _at_home(envelope: Envelope, submission: SubmissionPaths) -> JsonDict:
    """The result, with the checkpoint's path on this side."""
    assert envelope.result is not None
    result = dict(envelope.result)
    checkpoint = result.get("checkpoint_path")
    if isinstance(checkpoint, str) and Path(checkpoint).is_relative_to(envelope.artifacts_root):
        inside = Path(checkpoint).relative_to(envelope.artifacts_root)
        result["checkpoint_path"] = str(submission.run_paths.artifacts / inside)
    return result


def _append_logs(submission: SubmissionPaths, envelope: Envelope) -> None:
    run = submission.run_paths
    for path, text in ((run.stdout, envelope.stdout), (run.stderr, envelope.stderr)):
        with path.open("ab") as stream:
            stream.write(text)
