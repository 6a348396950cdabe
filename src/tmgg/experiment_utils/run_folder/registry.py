"""Durable records of runs: written before a backend is called, readable by any process.

The records are files (see `paths`); there is no server and no database. Folders that hold runs are
remembered in `~/.tmgg/folders` (`TMGG_HOME` moves it), so commands work from any directory.
"""

import getpass
import logging
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tmgg import __version__
from tmgg.errors import RecordError, RunExistsError, UnknownRunError
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.files.looking import is_plain_file, is_there
from tmgg.experiment_utils.files.process_names import (
    process_scope,
    process_start,
    start_of_this_process,
)
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.batch_index import (
    expect_batches,
    find_member,
    read_batched_run,
    read_batched_task,
)
from tmgg.experiment_utils.run_folder.known_folders import known_folders, remember_folder
from tmgg.experiment_utils.run_folder.next_submission import bar_next_submission
from tmgg.experiment_utils.run_folder.output_folder import prepare_output_dir
from tmgg.experiment_utils.run_folder.paths import (
    LAYOUT_VERSION,
    JobFolder,
    RunPaths,
    SubmissionPaths,
)
from tmgg.experiment_utils.run_folder.records import as_time, parse_record
from tmgg.experiment_utils.run_folder.remains import set_aside_remains
from tmgg.experiment_utils.run_folder.removed_runs import is_removed, removed_error
from tmgg.experiment_utils.run_folder.sharing import make_folder_as, make_new_folder
from tmgg.experiment_utils.run_folder.task import TaskInput

log = logging.getLogger(__name__)

WriteSubmission = Callable[[SubmissionPaths, SubmissionPaths], None]
"""Writes a submission's files into the first folder (a draft), which is renamed to the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """What was asked for; the content of `run.json`. Never changes."""

    run_id: str
    backend: str
    base_dir: str
    """Working directory of the submitter and of the job."""
    settings: JsonDict
    """The backend's config, field by field."""
    created_at: float = field(default_factory=time.time)
    user: str = field(default_factory=getpass.getuser)
    host: str = field(default_factory=socket.gethostname)
    tmgg_version: str = __version__
    unchanged_settings: JsonDict | None = None
    """The settings before a sweep's policy changed them for this attempt; None if unchanged."""
    interpreter_options: list[str] = field(default_factory=list)
    """Options of the launcher's Python interpreter, to be used for the experiment's, too."""

    def to_json(self) -> JsonDict:
        return {"version": LAYOUT_VERSION, **asdict(self)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """A submission that is about to be made; the content of `intent.json`."""

    token: str
    """Random; the job carries it, so TMGG finds the job also if the backend's answer was lost."""
    created_at: float = field(default_factory=time.time)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    process_start: str = field(default_factory=start_of_this_process)
    """Tells the submitter from a later process with its pid; empty if /proc does not have it."""
    scope: str = ""
    """Where the pid is valid; see `process_names.process_scope`. Empty in old records."""
    evidence_has_token: bool = False
    """The job writes the token into all its evidence, so a file without the token does not count.
    False for submissions made before evidence had tokens."""
    user_id: int | None = None
    """The submitter's user id; None if it was not noted."""
    cluster: str | None = None
    """Name of the scheduler's cluster; None if there is none, or if it is not known."""
    folder: str = ""
    """The intent's folder; with it a copy of the folder is recognised. Empty in old records."""

    def to_json(self) -> JsonDict:
        return {"version": LAYOUT_VERSION, **asdict(self)}

    def submitter_alive(self) -> bool:
        """Whether the submitting process runs; False also if this cannot be seen from here."""
        return (
            self._is_here
            and bool(self.process_start)
            and process_start(self.pid) == self.process_start
        )

    @property
    def submitter_has_ended(self) -> bool:
        """Whether it is certain that the submitting process has ended; see `leases`."""
        can_tell = bool(self.scope) and bool(self.process_start) and self._is_here
        return can_tell and not self.submitter_alive()

    @property
    def is_own(self) -> bool:
        """Whether the current process is the submitter."""
        return self.pid == os.getpid() and self.submitter_alive()

    @property
    def _is_here(self) -> bool:
        same_scope = not self.scope or self.scope == process_scope()
        return same_scope and self.host == socket.gethostname()


def new_intent(place: JobFolder | None = None) -> Intent:
    """An intent of this process, which will be written in `place`."""
    return Intent(
        token=secrets.token_hex(16),
        scope=process_scope(),
        evidence_has_token=True,
        user_id=os.getuid(),
        folder="" if place is None else str(place.folder),
    )


def launcher_is_over(paths: JobFolder, intent: Intent) -> bool:
    """Whether the process that wrote the intent certainly submits nothing more; see `leases`."""
    if intent.is_own and leases.is_held(paths.intent):
        return False  # it was stopped, and its thread has not renewed the lease again yet
    return intent.submitter_has_ended or leases.is_over(paths.intent)


def create_run(
    paths: RunPaths,
    record: RunRecord,
    task: TaskInput,
    payload: bytes | None,
    write_submission: WriteSubmission,
) -> SubmissionPaths:
    """Write the whole record of a new run and its first submission, or nothing.

    The folder is made under another name and renamed, so if two processes make one run id, exactly
    one wins. Raises RunExistsError, or OSError when the folder cannot be written.
    """
    prepare_output_dir(paths.output_dir, [RunPaths.ENDED_NAME])
    remember_folder(paths.output_dir)
    draft = RunPaths(paths.output_dir, f".{paths.run_id}.{secrets.token_hex(4)}.tmp")
    submission, drafted = paths.submission(1), draft.submission(1)
    try:
        make_new_folder(draft.folder)
        write_json(draft.run, record.to_json())
        write_json(draft.task, task.to_json())
        if payload is not None:
            write_atomic(draft.payload, payload)
        make_folder_as(drafted.folder, draft.folder)
        write_submission(drafted, submission)
        _rename_new(draft.folder, paths.folder, what=f"run {paths.run_id!r}")
    except BaseException:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise
    set_aside_remains([paths])
    return submission


def add_submission(earlier: SubmissionPaths, write_submission: WriteSubmission) -> SubmissionPaths:
    """Write the submission that follows one that has ended: all of its files or none.

    Raises RunExistsError when another process was first.
    """
    paths, number = earlier.run_paths, earlier.number + 1
    final = paths.submission(number)
    prepare_output_dir(paths.output_dir, [RunPaths.ENDED_NAME])
    draft = replace(final, folder_name=f".{number}.{secrets.token_hex(4)}.tmp")
    try:
        make_folder_as(draft.folder, paths.folder)
        write_submission(draft, final)
        _rename_new(draft.folder, final.folder, what=f"submission {number} of {paths.run_id!r}")
    except BaseException:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise
    return final


def withdraw_submission(paths: SubmissionPaths) -> None:
    """Remove a submission that the backend certainly did not take, as if it had never been made.

    A first submission goes with its run. Raises RunExistsError, and removes nothing, if another
    process has submitted the run again.
    """
    run = paths.run_paths
    if max(run.submission_numbers(), default=0) > paths.number or (
        paths.number == 1 and bar_next_submission(run) is None
    ):
        _check_not_removed(run)
        raise RunExistsError(f"another process has submitted run {paths.name!r} again meanwhile")
    folder = run.folder if paths.number == 1 else paths.folder
    doomed = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def load_run(paths: RunPaths) -> RunRecord:
    """The run's record. Raises UnknownRunError, or RecordError for a damaged or newer record."""
    value = read_json(paths.run)
    if value is None:
        value = read_batched_run(paths)
    if value is None:
        raise UnknownRunError(_unknown(paths.run_id, [paths.output_dir]))
    return parse_record(RunRecord, value, what=str(paths.run), newest_version=LAYOUT_VERSION)


def load_found_run(paths: RunPaths) -> RunRecord:
    """The record of a run that was on record before; raises RemovedRunError if it is gone."""
    try:
        return load_run(paths)
    except UnknownRunError as error:
        raise removed_error(paths) from error


def load_task(paths: RunPaths) -> TaskInput:
    """The run's task. Raises RecordError when its file is missing or damaged."""
    value = read_json(paths.task)
    if value is None:
        value = read_batched_task(paths)
    if value is None:
        _check_not_removed(paths)
        raise RecordError(
            f"run {paths.run_id!r} has no {paths.task}; submit it anew under another id"
        )
    return TaskInput.from_json(value, what=str(paths.task))


def _check_not_removed(paths: RunPaths) -> None:
    """Raise RemovedRunError if the run was removed. A removal takes its folder in one step."""
    if not is_there(paths.folder) or is_removed(paths):
        raise removed_error(paths)


def load_intent(paths: JobFolder) -> Intent:
    """Raises RecordError when the file is missing or damaged."""
    value = read_json(paths.intent)
    if value is None:
        if isinstance(paths, SubmissionPaths):
            _check_not_removed(paths.run_paths)
        raise RecordError(f"{paths.folder} has no {paths.intent.name}")
    return parse_intent(value, what=str(paths.intent))


def parse_intent(value: JsonDict, *, what: str) -> Intent:
    """Raises RecordError, which begins with `what`."""
    return parse_record(Intent, value, what=what, newest_version=LAYOUT_VERSION)


def save_job(paths: JobFolder, job_id: str | None, *, cluster: str | None = None) -> None:
    """Note the job id that the backend gave; None if the submitter gave up without learning it."""
    value = {"version": LAYOUT_VERSION, "job_id": job_id, "submitted_at": time.time()}
    write_json(paths.job, value | ({"cluster": cluster} if cluster else {}))


def note_job(paths: JobFolder, job_id: str | None, *, cluster: str | None = None) -> None:
    """As `save_job`, but only warn if writing fails: the job is then looked up again later."""
    try:
        save_job(paths, job_id, cluster=cluster)
    except OSError as error:
        log.warning("could not note job %s of run %s: %s", job_id, paths.name, error)


def submitted_at(paths: JobFolder) -> float | None:
    """When the job id was noted, or the submitter gave up (Unix time); None if not on record."""
    return as_time(_job_note(paths).get("submitted_at"))


def seconds_since_given_up(paths: JobFolder) -> float | None:
    """How many seconds ago the submitter gave up without the job id; None if it did not."""
    at = submitted_at(paths) if _job_note(paths).get("job_id") is None else None
    return None if at is None else max(0.0, time.time() - at)


def decided_at(paths: RunPaths) -> float | None:
    """When a run's verdict was written (Unix time of the file system); None if none is seen."""
    number = max(paths.submission_numbers(), default=1)
    try:
        return paths.submission(number).verdict.stat().st_mtime
    except OSError:
        return None


def _job_note(paths: JobFolder) -> JsonDict:
    try:
        return read_json(paths.job) or {}
    except (RecordError, OSError):
        return {}


def find_run(run_id: str, folders: Iterable[Path] = ()) -> RunPaths:
    """The run's paths, looked for in `folders` first, then in all folders with runs of this user.

    Raises UnknownRunError, or OSError when it may be in a folder that cannot be read now.
    """
    looked: list[Path] = []
    unread: OSError | None = None
    for folder in _places(folders):
        if folder in looked:
            continue
        looked.append(folder)
        paths = RunPaths(folder, run_id)
        try:
            if is_recorded(paths):
                return paths
        except OSError as error:
            unread = error
    if unread is not None:
        raise unread
    raise UnknownRunError(_unknown(run_id, looked))


def _places(folders: Iterable[Path]) -> Iterator[Path]:
    yield from folders
    yield from known_folders()  # reads a file; not done if the run was found before


def is_recorded(paths: RunPaths) -> bool:
    """Whether there is a record of the run that this user can read.

    Raises OSError when the file system does not answer.
    """
    if _can_read(paths) or find_member(paths.submission(1)) is not None:
        return True
    expect_batches(paths.output_dir)
    return False


def _can_read(paths: RunPaths) -> bool:
    if os.access(paths.run, os.R_OK):
        return True
    try:
        is_there(paths.run)
    except PermissionError:
        # Another user's folder stays closed. For a folder of this user the error may pass.
        if paths.folder.stat().st_uid == os.geteuid():
            raise
    return False


def _rename_new(source: Path, target: Path, *, what: str) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if is_plain_file(target) and is_there(target.parent / RunPaths.RECORD_NAME):
            raise RunExistsError(
                f"{what} cannot be made: tmgg-jobs gc is removing the run, or was interrupted. In "
                "that case tmgg-jobs gc removes the run when it is called again."
            ) from error
        if is_there(target):
            raise taken_error(what, target.parent) from error
        raise


def taken_error(what: str, folder: Path) -> RunExistsError:
    """The error for a run or submission that cannot be made, because `folder` has it already."""
    return RunExistsError(
        f"{what} already exists in {folder}. Choose another run_id, or resume it "
        "(resume=True; tmgg-jobs retry submits failed runs again)."
    )


def _unknown(run_id: str, looked: Iterable[Path]) -> str:
    places = ", ".join(str(folder) for folder in looked) or "no folder at all"
    return (
        f"no run {run_id!r} in {places}. `tmgg-jobs list` shows the runs there are; set output_dir "
        "to the folder the run was submitted to."
    )
