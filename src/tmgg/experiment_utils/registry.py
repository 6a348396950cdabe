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
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tmgg import __version__
from tmgg.errors import RecordError, RunExistsError, UnknownRunError
from tmgg.experiment_utils.atomic_file import JsonDict, read_json, write_atomic, write_json
from tmgg.experiment_utils.batch_index import (
    batched_runs,
    find_member,
    note_removed,
    read_batched_run,
    read_batched_task,
)
from tmgg.experiment_utils.paths import LAYOUT_VERSION, JobFolder, RunPaths, SubmissionPaths
from tmgg.experiment_utils.records import as_time, parse_record
from tmgg.experiment_utils.task import TaskInput

log = logging.getLogger(__name__)

OWNER_ONLY_FOLDER = 0o700
WriteSubmission = Callable[[SubmissionPaths, SubmissionPaths], None]
"""Writes a submission's own files into the first; they will be read at the second."""


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

    def to_json(self) -> JsonDict:
        return {"version": LAYOUT_VERSION, **asdict(self)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """A submission about to be made; the content of `intent.json`."""

    token: str
    """Unguessable; the job carries it, so that a lost answer can be looked up."""
    created_at: float = field(default_factory=time.time)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    process_start: str = field(default_factory=lambda: process_start(os.getpid()))
    """Tells a recycled pid from the submitter; empty where /proc does not say."""

    def to_json(self) -> JsonDict:
        return {"version": LAYOUT_VERSION, **asdict(self)}

    def submitter_alive(self) -> bool:
        """Whether the submitting process still runs; only ever known on its own machine."""
        return (
            self.host == socket.gethostname()
            and bool(self.process_start)
            and process_start(self.pid) == self.process_start
        )

    @property
    def is_own(self) -> bool:
        """Whether this very process is the submitter."""
        return self.pid == os.getpid() and self.submitter_alive()


def new_intent() -> Intent:
    return Intent(token=secrets.token_hex(16))


def create_run(
    paths: RunPaths,
    record: RunRecord,
    task: TaskInput,
    payload: bytes | None,
    write_submission: WriteSubmission,
) -> SubmissionPaths:
    """Write the whole record of a new run and its first submission, or nothing.

    The folder is made under another name and renamed, so of two submitters of one run id exactly
    one wins. Raises RunExistsError, or OSError when the folder cannot be written.
    """
    remember_folder(paths.output_dir)
    draft = RunPaths(paths.output_dir, f".{paths.run_id}.{secrets.token_hex(4)}.tmp")
    try:
        draft.folder.mkdir(parents=True, mode=OWNER_ONLY_FOLDER)
        paths.ended_folder.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=True)
        write_json(draft.run, record.to_json())
        write_json(draft.task, task.to_json())
        if payload is not None:
            write_atomic(draft.payload, payload)
        draft.submission(1).folder.mkdir(mode=OWNER_ONLY_FOLDER)
        write_submission(draft.submission(1), paths.submission(1))
        _rename_new(draft.folder, paths.folder, what=f"run {paths.run_id!r}")
    except BaseException:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise
    return paths.submission(1)


def add_submission(earlier: SubmissionPaths, write_submission: WriteSubmission) -> SubmissionPaths:
    """The submission after one that has ended; all of its files or none.

    Raises RunExistsError when somebody else was first.
    """
    paths, number = earlier.run_paths, earlier.number + 1
    final = paths.submission(number)
    draft = replace(final, folder_name=f".{number}.{secrets.token_hex(4)}.tmp")
    try:
        draft.folder.mkdir(mode=OWNER_ONLY_FOLDER)
        write_submission(draft, final)
        _rename_new(draft.folder, final.folder, what=f"submission {number} of {paths.run_id!r}")
    except BaseException:
        shutil.rmtree(draft.folder, ignore_errors=True)
        raise
    return final


def withdraw_submission(paths: SubmissionPaths) -> None:
    """Remove a submission that the backend certainly did not take, as if it had never been made."""
    folder = paths.run_paths.folder if paths.number == 1 else paths.folder
    doomed = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def load_run(paths: RunPaths) -> RunRecord:
    """Raises UnknownRunError, or RecordError for a damaged or newer record."""
    value = read_json(paths.run)
    if value is None:
        value = read_batched_run(paths)
    if value is None:
        raise UnknownRunError(_unknown(paths.run_id, [paths.output_dir]))
    return parse_record(RunRecord, value, what=str(paths.run), newest_version=LAYOUT_VERSION)


def load_task(paths: RunPaths) -> TaskInput:
    """Raises RecordError when the task file is missing or damaged."""
    value = read_json(paths.task)
    if value is None:
        value = read_batched_task(paths)
    if value is None:
        raise RecordError(f"run {paths.run_id!r} has no {paths.task}")
    return TaskInput.from_json(value, what=str(paths.task))


def load_intent(paths: JobFolder) -> Intent:
    """Raises RecordError when the file is missing or damaged."""
    value = read_json(paths.intent)
    if value is None:
        raise RecordError(f"{paths.folder} has no {paths.intent.name}")
    return parse_record(Intent, value, what=str(paths.intent), newest_version=LAYOUT_VERSION)


def save_job(paths: JobFolder, job_id: str | None) -> None:
    """Note the backend's id of a submission; None says that the submitter ended without it."""
    write_json(
        paths.job, {"version": LAYOUT_VERSION, "job_id": job_id, "submitted_at": time.time()}
    )


def note_job(paths: JobFolder, job_id: str | None) -> None:
    """As `save_job`; a disk that is full only means that the job is looked up again next time."""
    try:
        save_job(paths, job_id)
    except OSError as error:
        log.warning("could not note job %s of run %s: %s", job_id, paths.name, error)


def submitted_at(paths: JobFolder) -> float | None:
    """When the backend took the submission (Unix time); None when that is not on record."""
    return as_time(_job_note(paths).get("submitted_at"))


def seconds_since_given_up(paths: JobFolder) -> float | None:
    """How long ago the submitter ended without learning the job id; None when it did not."""
    at = submitted_at(paths) if _job_note(paths).get("job_id") is None else None
    return None if at is None else max(0.0, time.time() - at)


def decided_at(paths: RunPaths) -> float | None:
    """When the end of a run was noted (Unix time, by the file system); None while it goes on."""
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
    """The run's paths, looked for in `folders` first, then wherever runs were ever submitted."""
    looked: list[Path] = []
    for folder in [*folders, *known_folders()]:
        if folder in looked:
            continue
        looked.append(folder)
        paths = RunPaths(folder, run_id)
        if is_recorded(paths):
            return paths
    raise UnknownRunError(_unknown(run_id, looked))


def is_recorded(paths: RunPaths) -> bool:
    """Whether there is a record of the run that this user can read."""
    return os.access(paths.run, os.R_OK) or find_member(paths.submission(1)) is not None


def runs_in(folder: Path, *, prefix: str = "") -> list[RunPaths]:
    """The runs recorded in a folder whose id begins with `prefix`, by run id.

    Runs of other users, whose folders are closed to this one, are left out.
    """
    try:
        with os.scandir(folder) as entries:
            names = {
                entry.name
                for entry in entries
                if entry.name.startswith(prefix)
                and entry.name[0] != "."
                and entry.is_dir()
                # access(2), not stat(2): another user's record is there but no use. Plain strings,
                # because a thousand runs make a Path's price felt.
                and os.access(f"{entry.path}/{RunPaths.RECORD_NAME}", os.R_OK)
            }
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    names.update(name for name in batched_runs(folder) if name.startswith(prefix))
    return [RunPaths(folder, name) for name in sorted(names)]


def remove_run(paths: RunPaths, *, with_output: bool) -> None:
    """Remove a run's record and logs for good; with `with_output` what the experiment wrote, too.

    For runs that have ended. The record vanishes in one step, so a crash leaves no half-run.
    """
    ended = [paths.submission(number).ended for number in paths.submission_numbers()]
    doomed = paths.output_dir / f".{paths.run_id}.{secrets.token_hex(4)}.removed.tmp"
    note_removed(paths)
    paths.folder.rename(doomed)
    try:
        if not with_output:
            _rescue(doomed / paths.artifacts.name, paths.artifacts)
    finally:
        shutil.rmtree(doomed, ignore_errors=True)
    for log in (paths.stdout, paths.stderr, *ended):
        log.unlink(missing_ok=True)


def _rescue(source: Path, target: Path) -> None:
    if not source.is_dir() or not any(source.iterdir()):
        return
    target.parent.mkdir(mode=OWNER_ONLY_FOLDER)
    source.rename(target)


def home_folder() -> Path:
    """Where this user's list of folders is."""
    return Path(os.environ.get("TMGG_HOME") or "~/.tmgg").expanduser()


def known_folders() -> list[Path]:
    """Folders that hold or held runs of this user, newest first."""
    try:
        lines = (home_folder() / "folders").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(line) for line in reversed(lines) if line.startswith("/")]


def remember_folder(folder: Path) -> None:
    """Add a folder to the list. Failing (a read-only home) only costs the convenience."""
    if folder in known_folders():
        return
    try:
        home_folder().mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        # One write of one line: POSIX appends do not interleave.
        with (home_folder() / "folders").open("a") as stream:
            stream.write(f"{folder}\n")
    except OSError:
        return


def process_start(pid: int) -> str:
    """Start time of a living process in clock ticks since boot (proc(5), field 22), else ""."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = text.rpartition(")")[2].split()
    # A zombie has ended; its parent, which may be this process, has not looked yet.
    return "" if state in "ZX" else fields[18]


def process_name(pid: int) -> str:
    """A process's id, start time and host: no other process was or will be called so."""
    return f"{pid}.{process_start(pid)}@{socket.gethostname()}"


def _rename_new(source: Path, target: Path, *, what: str) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if target.exists():
            raise RunExistsError(
                f"{what} already exists in {target.parent}. Choose another run_id, or resume it "
                "(resume=True; tmgg-jobs retry submits failed runs again)."
            ) from error
        raise


def _unknown(run_id: str, looked: Iterable[Path]) -> str:
    places = ", ".join(str(folder) for folder in looked) or "no folder at all"
    return (
        f"no run {run_id!r} in {places}. `tmgg-jobs list` shows the runs there are; set output_dir "
        "to the folder the run was submitted to."
    )
