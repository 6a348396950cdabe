"""The exit record: the last words of whatever ran a submission, in the shared folder `.ended/`.

The job script writes its own by hand (see `job.sh.template`).
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import says_nothing
from tmgg.experiment_utils.job.clock import unix_time_s
from tmgg.experiment_utils.run_folder.evidence_token import (
    carries_token,
    is_anothers,
    token_to_leave,
)
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.run_folder.output_folder import make_shared_folder
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.sharing import mode_beside
from tmgg.experiment_utils.run_folder.sound_records import read_sound, text_in
from tmgg.experiment_utils.run_folder.starts import is_superseded, last_start_on_record

RECORD_VERSION = 1
Scope = Literal["job", "run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitRecord:
    """The job's own last words, from `.ended/`."""

    job_id: str
    restart: int
    stage: str
    """How far it came: `setup`, `preflight`, `ray`, `entrypoint`, or `cancelled`."""
    signal: str
    """`TERM` when it was asked to end, or another signal that ended it; empty when it ended by
    itself."""
    exit_code: int
    entrypoint_exit_code: int | None
    """None when the experiment left no result."""
    age_s: float
    """How long ago it was written."""
    scope: str = "job"
    """`run`: of one run of a job that goes on with others."""
    host: str = ""
    """Where it ran, when the job's first node is not meant."""
    failure: Failure | None = None
    """Why it failed, where its supervisor knew."""
    token: str | None = None
    """The submission's; None in records written before evidence had tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How a submission ended, as its supervisor saw it."""

    job_id: str
    restart: int = 0
    stage: str = "entrypoint"
    exit_code: int = 0
    received: str = ""
    """The signal that asked for the end; empty when it ended by itself."""
    scope: Scope = "job"
    """`run`: it shared its job with other runs, and the job goes on."""
    host: str = ""
    """Where it ran, when that is not the first node of the job."""
    failure: Failure | None = None
    """Why it failed, where its supervisor knows."""


def read_exit_record(paths: SubmissionPaths | BatchPaths) -> ExitRecord | None:
    """None when there is none, when it is damaged, another submission's or of an earlier start.

    Then other evidence has to do. Raises RecordError when nothing tells whose it must be, OSError
    when the file system does not answer.
    """
    record = exit_record_at(paths.ended)
    if record is None or not carries_token(paths, record.token):
        return None
    # Read after the record: of two starts, the later one's number was there before a late record.
    return record if record.restart >= last_start_on_record(paths) else None


def exit_record_at(path: Path) -> ExitRecord | None:
    """The sound record there, whosever it is. Raises OSError."""
    value = read_sound(path)
    if value is None:
        return None
    try:
        return parse_exit_record(value, age_s=max(0.0, time.time() - path.stat().st_mtime))
    except OSError as error:
        if says_nothing(error):
            raise
        return None
    except RecordError:
        return None


def parse_exit_record(value: JsonDict, *, age_s: float) -> ExitRecord:
    """Raises RecordError for what is no exit record."""
    try:
        entrypoint = value["entrypoint_exit_code"]
        return ExitRecord(
            job_id=str(value["job_id"]),
            restart=int(value["restart"]),
            stage=str(value["stage"]),
            signal=str(value["signal"]),
            exit_code=int(value["exit_code"]),
            entrypoint_exit_code=None if entrypoint is None else int(entrypoint),
            age_s=age_s,
            scope=str(value.get("scope", "job")),
            host=str(value.get("host", "")),
            failure=Failure.from_json(cause) if (cause := value.get("failure")) else None,
            token=text_in(value, "token"),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"the exit record lacks something: {error!r}") from error


def leave_exit_record(paths: SubmissionPaths, end: End) -> None:
    """Write the record, with patience; raises OSError when the folder cannot be written.

    Does nothing where the run was removed meanwhile, and another has its name now; nor where a
    later start has begun, whose end this is not.
    """
    if is_anothers(paths) or is_superseded(paths, end.restart):
        return
    record = {
        "version": RECORD_VERSION,
        "token": token_to_leave(paths),
        "job_id": end.job_id,
        "restart": end.restart,
        "stage": end.stage,
        "signal": end.received,
        "exit_code": end.exit_code,
        "entrypoint_exit_code": leave(lambda: read_entrypoint_exit_code(paths), paths.folder),
        "ended_at": unix_time_s(),
        "scope": end.scope,
        "host": end.host,
        "failure": None if end.failure is None else end.failure.to_json(),
    }

    def write() -> None:
        paths.run_paths.output_dir.mkdir(parents=True, exist_ok=True)
        make_shared_folder(paths.run_paths.ended_folder)
        write_json(paths.ended, record, mode=mode_beside(paths.run_paths.folder))

    leave(write, paths.run_paths.ended_folder)


def read_entrypoint_exit_code(paths: SubmissionPaths) -> int | None:
    """None when the experiment left no result. Raises OSError when nobody could look."""
    try:
        return int(paths.entrypoint_exit_code.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
