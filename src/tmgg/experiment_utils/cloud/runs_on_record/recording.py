"""Turns errors of writing records into refusals: nothing was submitted then."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tmgg.errors import RecordError, RunExistsError, SubmissionError
from tmgg.experiment_utils.files.looking import is_plain_file, is_there
from tmgg.experiment_utils.files.write_cures import cure_for
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.paths import BatchPaths, JobFolder, RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import load_intent
from tmgg.experiment_utils.run_folder.removed_runs import refuse_removed


@contextlib.contextmanager
def recording(paths: RunPaths) -> Iterator[None]:
    try:
        yield
    except RunExistsError:
        raise
    except OSError as error:
        refuse_removed(paths)
        raise SubmissionError(
            f"the record of run {paths.run_id!r} cannot be written in {paths.output_dir}: {error}. "
            f"Nothing was submitted. {other_place(error, paths.output_dir)}"
        ) from error


@contextlib.contextmanager
def recording_batch(batch: BatchPaths) -> Iterator[None]:
    """Around recording a new batch. If it exists after a failure, another process recorded it."""
    try:
        yield
    except OSError as error:
        if _is_seen(batch):
            raise submitted_elsewhere(f"sweep {batch.name}", batch.name, batch) from error
        raise SubmissionError(
            f"the records of sweep {batch.name} cannot be written in {batch.output_dir}: {error}. "
            f"Nothing was submitted. {other_place(error, batch.output_dir)}"
        ) from error


def other_place(error: OSError, output_dir: Path) -> str:
    """Advice for the user if records cannot be written."""
    cure = cure_for(error, output_dir)
    return f"{cure}. Or set another output_dir." if cure else "Set another output_dir."


def _is_seen(batch: BatchPaths) -> bool:
    try:
        return is_there(batch.folder)
    except OSError:
        return False  # the caller then reports the error of writing


@contextlib.contextmanager
def continuing(submission: SubmissionPaths) -> Iterator[None]:
    """Around recording a run's next submission. If it exists, another process recorded it."""
    try:
        yield
    except RunExistsError as error:
        if is_plain_file(submission.folder):
            raise  # gc is removing the run
        run_id = submission.run_paths.run_id
        member = None if is_there(submission.intent) else find_member(submission)
        folder = submission if member is None else member.batch
        raise submitted_elsewhere(f"run {run_id!r}", run_id, folder) from error


def submitted_elsewhere(what: str, name: str, folder: JobFolder) -> RunExistsError:
    """The error for a process that came second; the intent in `folder` names the first one."""
    return RunExistsError(
        f"{_submitter(folder)} submits {what}, too, and was first. This process submitted nothing "
        f"of it: wait for the other (`tmgg-jobs wait {name}`), then retry or resume what is left."
    )


def given_up_elsewhere(folder: JobFolder) -> RunExistsError:
    """The error for a process whose submission another process has given up or cancelled."""
    return RunExistsError(
        f"another process has cancelled {folder.name!r} or submitted it again, while this process "
        f"was submitting it. `{folder.shown_by}` shows how it stands."
    )


def _submitter(folder: JobFolder) -> str:
    try:
        intent = load_intent(folder)
    except (RecordError, OSError):
        return "another process"
    return f"another process ({intent.pid} on {intent.host})"
