"""What a submission's own files say. A damaged file is evidence, too.

A file system that does not answer is no evidence: reading raises OSError (see `hiccups`), and
nothing is concluded for now.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tmgg.errors import ForeignFileError, RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.looking import says_nothing
from tmgg.experiment_utils.files.plain_files import end_of, open_plain
from tmgg.experiment_utils.files.trust import open_trusted, owner_of
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord
from tmgg.experiment_utils.run_folder.records import as_time
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import RESULT_PREFIX, TaskOutput, parse_result_line

LOG_TAIL_BYTES = 256 * 1024
# The clocks of a cluster differ by less: with a larger difference munge (the authentication that
# Slurm uses) refuses messages between the machines.
CLOCK_SKEW_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All that one submission's files say at one moment."""

    run_id: str
    first_attempt: int
    """The attempt with which the submission begins; see `first_attempt`."""
    job_id: str | None = None
    """The job that claimed the submission, else the one noted when it was submitted."""
    claimed: bool = False
    """A job has begun this submission."""
    forbidden: bool = False
    """It was given up before a job began it, and no job can begin it any more."""
    result: TaskOutput | None = None
    result_problem: str | None = None
    """Why a result is unusable: the file is damaged, or the line in the log is cut."""
    result_is_line: bool = False
    """The result is from the line in the log; `result.json` was perhaps not written."""
    exit_record: ExitRecord | None = None
    last_start: int = 0
    """The number of the last start that began; 0 without a result and an exit record."""
    backend_restarts: int = 0
    """How often the backend had started the job again when it last answered."""
    cancel_requested: bool = False
    cancel_why: str = ""
    """The reason of the cancellation; empty if none is on record."""
    shares_job: bool = False
    """Its job runs many such submissions, one after the other and several at once."""
    job_record: ExitRecord | None = None
    """The exit record of the job that it shares with others."""
    missing_since_s: float | None = None
    """For how many seconds something has been missing, since a process first noticed it."""


def read_evidence(files: SubmissionFiles, *, ended: bool) -> Evidence:
    """Read the files once.

    `ended` says that, for the backend, the job is over or unknown. Only then, or if the job wrote
    its exit record, is the log searched for a result line: a thousand running jobs have long logs.
    Raises OSError when the file system does not answer.
    """
    files.pin()
    run_id, first_attempt = files.paths.run_paths.run_id, files.first_attempt
    if not files.has_folder:
        return Evidence(run_id=run_id, first_attempt=first_attempt)
    result, problem = files.result
    is_line = False
    if result is None and (ended or files.exit_record is not None):
        result, line_problem = _result_in_log(files)
        is_line = result is not None
        problem = problem or line_problem
    return Evidence(
        run_id=run_id,
        first_attempt=first_attempt,
        job_id=files.job_id,
        claimed=files.owner is not None,
        forbidden=files.is_forbidden,
        result=result,
        result_problem=problem,
        result_is_line=is_line,
        exit_record=files.exit_record,
        last_start=0 if result is None and files.exit_record is None else files.last_start,
        cancel_requested=files.is_cancelled,
        cancel_why=files.cancel_reason,
        missing_since_s=noted_since_s(files.missing),
    )


def read_result(files: SubmissionFiles) -> tuple[TaskOutput | None, str | None]:
    """The result and what is wrong with it, from `result.json`, else from the line in the log."""
    output, problem = files.result
    if output is not None:
        return output, problem
    line, line_problem = _result_in_log(files)
    return line, problem or line_problem


def log_tail(path: Path, *, size: int = LOG_TAIL_BYTES) -> str:
    """The end of a log; empty if there is none or if it cannot be read."""
    try:
        return _tail(path, size)
    except OSError:
        return ""


def expect_log_tail(path: Path) -> str:
    """As `log_tail`, but raises OSError if the log cannot be read for now.

    It is for verdicts, which are kept. A log that another user keeps closed counts as empty.
    """
    try:
        return _tail(path, LOG_TAIL_BYTES)
    except PermissionError:
        if owner_of(path) is None:
            raise
        return ""


def _tail(path: Path, size: int, open_log: Callable[[Path], BinaryIO] = open_plain) -> str:
    try:
        with open_log(path) as stream:
            return end_of(stream, most_bytes=size).decode(errors="replace")
    except OSError as error:
        if says_nothing(error):
            raise
        return ""


def _result_in_log(files: SubmissionFiles) -> tuple[TaskOutput | None, str | None]:
    stdout = files.paths.run_paths.stdout
    problem: str | None = None
    try:
        tail = _tail(stdout, LOG_TAIL_BYTES, open_trusted)
    except ForeignFileError as error:
        return None, str(error)
    for line in reversed(tail.splitlines()):
        if RESULT_PREFIX not in line:
            continue
        try:
            output = parse_result_line(line)
        except RecordError as error:
            problem = problem or f"in {stdout}: {error}"
            continue
        # All submissions of a run append to one log.
        if files.are_of(output):
            return output, None
    return None, problem


def noted_since_s(record: JsonDict) -> float | None:
    """How long ago the `since` of a `missing.json` is; less if another host's clock wrote it.

    None if the record has no such time.
    """
    age_s = _age(record.get("since"))
    if age_s is None or record.get("host") in (None, socket.gethostname()):
        return age_s
    return max(0.0, age_s - CLOCK_SKEW_S)


def _age(since: object) -> float | None:
    at = as_time(since)
    return None if at is None else max(0.0, time.time() - at)
