"""The exit record, which a job or supervisor writes last, in the shared folder `.ended/`.

Here are the reader and the supervisors' writer; the job script has its own code to write it (see
`job.sh.template`).
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
    """How a submission ended, as its job or supervisor wrote it in `.ended/`."""

    job_id: str
    restart: int
    stage: str
    """How far it came: `begin`, `restart`, `setup`, `preflight`, `ray`, `entrypoint`, or
    `cancelled`."""
    signal: str
    """`TERM` if it was asked to end, or another signal that ended it; empty if it ended by itself.
    """
    exit_code: int
    entrypoint_exit_code: int | None
    """None if the experiment's process left no such code."""
    age_s: float
    """How many seconds ago it was written."""
    scope: str = "job"
    """`job`: the job ended. `run`: only this run ended; the job goes on with other runs."""
    host: str = ""
    """The host it ran on; empty for the job's first node."""
    failure: Failure | None = None
    """Why it failed, if its supervisor knew; None otherwise."""
    token: str | None = None
    """The submission's token; None in records written before evidence had tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How a submission ended, as its supervisor saw it."""

    job_id: str
    restart: int = 0
    stage: str = "entrypoint"
    exit_code: int = 0
    received: str = ""
    """The signal that asked for the end; empty if it ended by itself."""
    scope: Scope = "job"
    """`job`: the job ended. `run`: only this run ended; the job goes on with other runs."""
    host: str = ""
    """The host it ran on; empty for the job's first node."""
    failure: Failure | None = None
    """Why it failed, if its supervisor knows; None otherwise."""


def read_exit_record(paths: SubmissionPaths | BatchPaths) -> ExitRecord | None:
    """The exit record of the submission's last start.

    None if there is none, or if it is damaged or of another submission or an earlier start; then
    the caller has to use other evidence. Raises RecordError when the intent, which has the token,
    is damaged; OSError when the file system does not answer.
    """
    record = exit_record_at(paths.ended)
    if record is None or not carries_token(paths, record.token):
        return None
    # Read after the record: a later start notes its number first, so if the record was written
    # after that by the earlier start, the number is seen here.
    return record if record.restart >= last_start_on_record(paths) else None


def exit_record_at(path: Path) -> ExitRecord | None:
    """The record in this file, of any submission; None if missing or damaged. Raises OSError."""
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
    """Raises RecordError if `value` is no exit record."""
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
    """Write the record, and try again for a while; raises OSError if it cannot be written.

    Does nothing if the run was removed meanwhile and another run has its name now, or if a later
    start of the run has begun.
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
    """None if the experiment's process left none. Raises OSError if this cannot be read now."""
    try:
        return int(paths.entrypoint_exit_code.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
