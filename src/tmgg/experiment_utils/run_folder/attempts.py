"""What each submission of a run was asked for.

The files `run.json`, `task.json` and `payload.pkl` in the run's folder are those of its first
submission. A later submission with another version of the code or with other options has such files
in its own folder. For a file that it does not have, the file of the submission before counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.trust import read_json, read_trusted
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.batches import Member, load_batch
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.records import parse_record
from tmgg.experiment_utils.run_folder.registry import RunRecord, load_found_run, load_task
from tmgg.experiment_utils.run_folder.task import TaskInput


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptRequest:
    """The differences between a new submission of a run and the one before."""

    record: RunRecord | None = None
    """The options; None for those of the submission before."""
    task: TaskInput | None = None
    """What to run; None for the task and payload of the submission before."""
    payload: bytes | None = None


def write_attempt(draft: SubmissionPaths, asked: AttemptRequest) -> None:
    """Raises OSError."""
    if asked.record is not None:
        write_json(draft.run, asked.record.to_json())
    if asked.task is not None:
        _write_task(draft, asked.task.to_json(), asked.payload)


def fill_attempt(paths: SubmissionPaths) -> None:
    """Write a batch member's task and payload into its folder, as a single submission has them."""
    if paths.number == 1 or is_there(paths.task):
        return
    member = _member(paths)
    if member is not None:
        _write_task(paths, member.task(), member.payload())


def newest_submission(paths: RunPaths) -> SubmissionPaths:
    """The submission with the highest number; the first if none was made yet."""
    return paths.submission(max(paths.submission_numbers(), default=1))


def record_of(paths: SubmissionPaths) -> RunRecord:
    """The run's record with the options of this submission; raises as `load_found_run`."""
    return options_of(paths)[0]


def options_of(paths: SubmissionPaths) -> tuple[RunRecord, SubmissionPaths]:
    """As `record_of`, and the earliest submission with these options."""
    for each in _later(paths):
        value = read_json(each.run)
        member = _member(each) if value is None else None
        if member is not None:
            shared = load_batch(member.batch).run
            value = {"version": LAYOUT_VERSION, **shared, "run_id": each.run_paths.run_id}
        if value is not None:
            what = str(each.run)
            return parse_record(RunRecord, value, what=what, newest_version=LAYOUT_VERSION), each
    return load_found_run(paths.run_paths), paths.run_paths.submission(1)


def task_of_attempt(paths: SubmissionPaths) -> TaskInput:
    """What this submission runs; raises as `load_task`."""
    for each in _later(paths):
        value = _own_task(each)
        if value is not None:
            return TaskInput.from_json(value, what=str(each.task))
    return load_task(paths.run_paths)


def read_payload(paths: SubmissionPaths) -> bytes | None:
    """The payload beside the task of this submission; None if it has none."""
    for each in _later(paths):
        if is_there(each.task):
            return read_trusted(each.payload, own=True) if is_there(each.payload) else None
        member = _member(each)
        if member is not None:
            return member.payload()
    run = paths.run_paths
    if is_there(run.task):
        return read_trusted(run.payload, own=True) if is_there(run.payload) else None
    member = find_member(run.submission(1))
    return None if member is None else member.payload()


def payload_path(paths: SubmissionPaths) -> Path | None:
    """The payload's file; None if there is none. For a job, in which `fill_attempt` has run."""
    for each in _later(paths):
        if is_there(each.task):
            return each.payload if is_there(each.payload) else None
    return paths.run_paths.payload if is_there(paths.run_paths.payload) else None


def _later(paths: SubmissionPaths) -> Iterator[SubmissionPaths]:
    """This submission and those before it, without the first, whose files are the run's."""
    for number in range(paths.number, 1, -1):
        yield paths if number == paths.number else paths.run_paths.submission(number)


def _own_task(paths: SubmissionPaths) -> JsonDict | None:
    value = read_json(paths.task)
    member = _member(paths) if value is None else None
    return value if member is None else member.task()


def _member(paths: SubmissionPaths) -> Member | None:
    """Its place in the batch that it was submitted with; None if it was submitted alone."""
    if paths.folder_name is not None or is_there(paths.intent):
        return None
    return find_member(paths)


def _write_task(paths: SubmissionPaths, task: JsonDict, payload: bytes | None) -> None:
    # The task comes last: once it is there, the payload is known to be complete.
    if payload is not None:
        write_atomic(paths.payload, payload)
    write_json(paths.task, task)
