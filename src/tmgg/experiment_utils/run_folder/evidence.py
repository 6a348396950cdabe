"""What a submission's own files say. What is damaged is itself evidence.

A file system that does not answer is none: then reading raises OSError (see `hiccups`), and nothing
is known for now.
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
# Clocks of one cluster differ by less: beyond that munge refuses its machines to each other.
CLOCK_SKEW_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All that one submission's files say at one moment."""

    run_id: str
    first_attempt: int
    """Which attempt of the run the submission's first start is; see `first_attempt`."""
    job_id: str | None = None
    """The job that owns the submission: the one that claimed it, else the one sbatch named."""
    claimed: bool = False
    """A job has begun this submission."""
    forbidden: bool = False
    """It was given up before a job began it, and none can begin it any more."""
    result: TaskOutput | None = None
    result_problem: str | None = None
    """Why there is no result although there should be: the file is damaged, the line is cut."""
    result_is_line: bool = False
    """The result is a line in the log: it was written, but perhaps not published."""
    exit_record: ExitRecord | None = None
    last_start: int = 0
    """The number of the last start that began, where there is a result or an exit record."""
    backend_restarts: int = 0
    """How often the backend had started the job again when it last answered."""
    cancel_requested: bool = False
    cancel_why: str = ""
    """What is said about the reason; empty for a plain cancel."""
    shares_job: bool = False
    """Its job runs many such submissions, one after the other and several at once."""
    job_record: ExitRecord | None = None
    """The last words of the job that it shares."""
    missing_since_s: float | None = None
    """How long something that should be there has been missing, by the first who noticed."""


def read_evidence(files: SubmissionFiles, *, ended: bool) -> Evidence:
    """What one look at the files says.

    `ended` says that the backend believes the job to be over or knows none; only then, or when the
    job left its exit record, is the log searched for a result line (a thousand running jobs have
    long logs). Raises OSError when the file system does not answer.
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
        missing_since_s=_missing_since_s(files.missing),
    )


def read_result(files: SubmissionFiles) -> tuple[TaskOutput | None, str | None]:
    """The result and what is wrong with it: the file first, the line in the log second."""
    output, problem = files.result
    if output is not None:
        return output, problem
    line, line_problem = _result_in_log(files)
    return line, problem or line_problem


def log_tail(path: Path, *, size: int = LOG_TAIL_BYTES) -> str:
    """The end of a log, empty when there is none or when it cannot be read."""
    try:
        return _tail(path, size)
    except OSError:
        return ""


def expect_log_tail(path: Path) -> str:
    """As `log_tail`, for what is kept: raises OSError when a log cannot be read for now.

    One that its owner closes to this user is as none.
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


def _missing_since_s(record: JsonDict) -> float | None:
    age_s = _age(record.get("since"))
    if age_s is None or record.get("host") in (None, socket.gethostname()):
        return age_s
    return max(0.0, age_s - CLOCK_SKEW_S)


def _age(since: object) -> float | None:
    at = as_time(since)
    return None if at is None else max(0.0, time.time() - at)
