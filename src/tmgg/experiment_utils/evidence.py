"""What a submission's own files say. Reading never fails: what is damaged is itself evidence."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import RecordError
from tmgg.experiment_utils.atomic_file import JsonDict, read_json
from tmgg.experiment_utils.failures import Failure
from tmgg.experiment_utils.ownership import is_forbidden, read_owner
from tmgg.experiment_utils.paths import JobFolder, SubmissionPaths
from tmgg.experiment_utils.records import as_time
from tmgg.experiment_utils.task import RESULT_PREFIX, TaskOutput, parse_result_line

LOG_TAIL_BYTES = 256 * 1024
# Clocks of one cluster differ by less: beyond that munge refuses its machines to each other.
CLOCK_SKEW_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitRecord:
    """The job's own last words, from `.ended/`."""

    job_id: str
    restart: int
    stage: str
    """How far it came: `setup`, `preflight`, `ray`, `entrypoint`, or `cancelled`."""
    signal: str
    """`TERM` when it was asked to end; empty when it ended by itself."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All that one submission's files say at one moment."""

    run_id: str
    first_attempt: int
    """Which attempt of the run the submission's first start is; see `first_attempt`."""
    job_id: str | None
    """The job that owns the submission: the one that claimed it, else the one sbatch named."""
    claimed: bool
    """A job has begun this submission."""
    forbidden: bool = False
    """It was given up before a job began it, and none can begin it any more."""
    result: TaskOutput | None
    result_problem: str | None
    """Why there is no result although there should be: the file is damaged, the line is cut."""
    exit_record: ExitRecord | None
    cancel_requested: bool
    cancel_why: str = ""
    """What is said about the reason; empty for a plain cancel."""
    shares_job: bool = False
    """Its job runs many such submissions, one after the other and several at once."""
    job_record: ExitRecord | None = None
    """The last words of the job that it shares."""
    missing_since_s: float | None
    """How long something that should be there has been missing, by the first who noticed."""


def read_evidence(paths: SubmissionPaths, *, ended: bool) -> Evidence:
    """One look at the files.

    `ended` says that the backend believes the job to be over or knows none; only then, or when the
    job left its exit record, is the log searched for a result line (a thousand running jobs have
    long logs).
    """
    if not paths.folder.exists():
        return _nothing(paths)  # a run in a batch whose job has not begun
    exit_record = read_exit_record(paths.ended)
    result, problem = read_result(paths, search_log=ended or exit_record is not None)
    missing = _read_record(paths.missing)
    return Evidence(
        run_id=paths.run_paths.run_id,
        first_attempt=first_attempt(paths),
        job_id=read_job_id(paths),
        claimed=read_owner(paths) is not None,
        forbidden=is_forbidden(paths),
        result=result,
        result_problem=problem,
        exit_record=exit_record,
        cancel_requested=paths.cancel.exists(),
        cancel_why=read_cancel_reason(paths),
        missing_since_s=_missing_since_s(missing),
    )


def _nothing(paths: SubmissionPaths) -> Evidence:
    return Evidence(
        run_id=paths.run_paths.run_id,
        first_attempt=first_attempt(paths),
        job_id=None,
        claimed=False,
        result=None,
        result_problem=None,
        exit_record=None,
        cancel_requested=False,
        missing_since_s=None,
    )


def first_attempt(paths: SubmissionPaths) -> int:
    """1 for a run's first submission, else the one after the last attempt of the one before.

    A submission whose end is not on record counts as one attempt.
    """
    if paths.number == 1:
        return 1
    before = _read_record(paths.run_paths.submission(paths.number - 1).verdict)
    last = before.get("attempt")
    return max(paths.number, last + 1 if isinstance(last, int) else 1)


def read_job_id(paths: JobFolder) -> str | None:
    """The job that claimed the submission, else the one noted when it was submitted."""
    return read_owner(paths) or _text(_read_record(paths.job).get("job_id"))


def read_result(
    paths: SubmissionPaths, *, search_log: bool = True
) -> tuple[TaskOutput | None, str | None]:
    """The result and what is wrong with it: the file first, the line in the log second."""
    problem: str | None = None
    try:
        value = read_json(paths.result)
        if value is not None:
            return _own(TaskOutput.from_json(value, what=str(paths.result)), paths), None
    except RecordError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{paths.result} cannot be read: {error}"
    if not search_log:
        return None, problem
    line, line_problem = _result_in_log(paths)
    return line, problem or line_problem


def read_exit_record(path: Path) -> ExitRecord | None:
    """None when there is none, or when it is damaged (then other evidence has to do)."""
    value = _read_record(path)
    try:
        entrypoint = value["entrypoint_exit_code"]
        return ExitRecord(
            job_id=str(value["job_id"]),
            restart=int(value["restart"]),
            stage=str(value["stage"]),
            signal=str(value["signal"]),
            exit_code=int(value["exit_code"]),
            entrypoint_exit_code=None if entrypoint is None else int(entrypoint),
            age_s=max(0.0, time.time() - path.stat().st_mtime),
            scope=str(value.get("scope", "job")),
            host=str(value.get("host", "")),
            failure=Failure.from_json(cause) if (cause := value.get("failure")) else None,
        )
    except (RecordError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def log_tail(path: Path, *, size: int = LOG_TAIL_BYTES) -> str:
    """The end of a log, empty when there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - size))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def _result_in_log(paths: SubmissionPaths) -> tuple[TaskOutput | None, str | None]:
    problem: str | None = None
    for line in reversed(log_tail(paths.run_paths.stdout).splitlines()):
        if RESULT_PREFIX not in line:
            continue
        try:
            output = parse_result_line(line)
        except RecordError as error:
            problem = problem or f"in {paths.run_paths.stdout}: {error}"
            continue
        # All submissions of a run append to one log.
        if _is_own(output, paths):
            return output, None
    return None, problem


def _own(output: TaskOutput, paths: SubmissionPaths) -> TaskOutput:
    if not _is_own(output, paths):
        raise RecordError(
            f"the result found is of run {output.run_id!r}, submission {output.submission}; "
            f"looked for {paths.run_paths.run_id!r}, submission {paths.number}"
        )
    return output


def _is_own(output: TaskOutput, paths: SubmissionPaths) -> bool:
    return (output.run_id, output.submission) == (paths.run_paths.run_id, paths.number)


def _read_record(path: Path) -> JsonDict:
    try:
        return read_json(path) or {}
    except (RecordError, OSError):
        return {}


def read_cancel_reason(paths: SubmissionPaths) -> str:
    """Why a run was cancelled, if more is to be said than that it was."""
    why = _text(_read_record(paths.cancel).get("why")) or ""
    return "" if why == "cancel" else why


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _missing_since_s(record: JsonDict) -> float | None:
    age_s = _age(record.get("since"))
    if age_s is None or record.get("host") in (None, socket.gethostname()):
        return age_s
    return max(0.0, age_s - CLOCK_SKEW_S)


def _age(since: object) -> float | None:
    at = as_time(since)
    return None if at is None else max(0.0, time.time() - at)
