"""The exit record: the last words of whatever ran a submission, in the shared folder `.ended/`.

The job script writes its own by hand (see `job.sh.template`); `evidence` reads them all.
"""

import time
from dataclasses import dataclass
from typing import Literal

from tmgg.experiment_utils.atomic_file import write_json
from tmgg.experiment_utils.failures import Failure
from tmgg.experiment_utils.paths import SubmissionPaths

RECORD_VERSION = 1
OWNER_ONLY_FOLDER = 0o700
Scope = Literal["job", "run"]


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


def leave_exit_record(paths: SubmissionPaths, end: End) -> None:
    """Write the record; raises OSError when the folder cannot be written."""
    record = {
        "version": RECORD_VERSION,
        "job_id": end.job_id,
        "restart": end.restart,
        "stage": end.stage,
        "signal": end.received,
        "exit_code": end.exit_code,
        "entrypoint_exit_code": read_entrypoint_exit_code(paths),
        "ended_at": time.time(),
        "scope": end.scope,
        "host": end.host,
        "failure": None if end.failure is None else end.failure.to_json(),
    }
    paths.ended.parent.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    write_json(paths.ended, record)


def read_entrypoint_exit_code(paths: SubmissionPaths) -> int | None:
    """None when the experiment left no result."""
    try:
        return int(paths.entrypoint_exit_code.read_text())
    except (OSError, ValueError):
        return None
