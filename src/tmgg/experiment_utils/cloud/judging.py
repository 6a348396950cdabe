"""How a submission stands, from its files and the backend's word; the end is kept once it is final.

The decision itself is `verdict.py`'s; here is what it takes to reach it: whose job it is, what the
logs say, since when something is missing.
"""

import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from tmgg.errors import RecordError, RunError, SubmissionError
from tmgg.experiment_utils.atomic_file import read_json, write_json
from tmgg.experiment_utils.attempt_log import read_attempt_log
from tmgg.experiment_utils.batch_index import (
    find_member,
    forget_batch,
    make_run_folder,
    packed_batch,
)
from tmgg.experiment_utils.batches import Member
from tmgg.experiment_utils.cloud.diagnosis import LogTails
from tmgg.experiment_utils.cloud.patience import Patience
from tmgg.experiment_utils.cloud.polling import Begun, Found, Question, as_run_error
from tmgg.experiment_utils.cloud.results import load_verdict, save_verdict
from tmgg.experiment_utils.cloud.runs import NOT_SUBMITTED, RunState
from tmgg.experiment_utils.cloud.verdict import JobView, has_trusted_end, is_missing, reach_verdict
from tmgg.experiment_utils.evidence import (
    Evidence,
    first_attempt,
    log_tail,
    read_cancel_reason,
    read_evidence,
    read_exit_record,
    read_job_id,
)
from tmgg.experiment_utils.failures import Failure, failure
from tmgg.experiment_utils.ownership import is_forbidden
from tmgg.experiment_utils.paths import LAYOUT_VERSION, BatchPaths, SubmissionPaths
from tmgg.experiment_utils.registry import load_intent

log = logging.getLogger(__name__)

# Several times the longest interval between two questions to the scheduler, and clocks may differ.
LAUNCHER_SILENT_S = 900.0

_Folder = TypeVar("_Folder")
JobOrRefusal = str | Failure | None
"""The job; or why there is none and never will be; None while that is open."""


class Backend(Protocol):
    """What judging needs of a runner."""

    @property
    def grace_s(self) -> float: ...

    @property
    def hints(self) -> Mapping[str, str]: ...

    def adopt(self, submission: SubmissionPaths) -> str | None: ...

    def adopt_batch(self, batch: BatchPaths) -> str | None: ...


class Judge:
    """Of one runner. Remembers what is final, and since when something is missing."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._ended: dict[SubmissionPaths, RunState] = {}
        self._patience = Patience()
        self._batch_jobs: dict[BatchPaths, str] = {}

    def begin(self, submission: SubmissionPaths, adopted: dict[BatchPaths, JobOrRefusal]) -> Begun:
        """What the files alone tell: the end, or the job to ask about.

        `adopted` lets the runs of one batch share one look for its job.
        """
        try:
            verdict = self._ended.get(submission) or _kept_verdict(submission)
            if verdict is not None:
                return verdict
            if submission.ended.exists() and _ended_by_itself(submission):
                return self._judge(submission, None, None)
            job_id = self.job_id(submission, adopted)
            if isinstance(job_id, Failure):
                return self.save_refusal(submission, job_id)
            if job_id is None and _waits(submission):
                return RunState(
                    run_id=submission.run_paths.run_id,
                    status="pending",
                    final=False,
                    reason=NOT_SUBMITTED,
                    attempt=first_attempt(submission),
                )
        except (RunError, OSError) as error:
            return as_run_error(submission.run_paths.run_id, error)
        return Question(submission, job_id)

    def end(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        """The state of a submission about whose job the backend was asked."""
        try:
            return self._judge(question.submission, question.job_id, _view(question, views))
        except (RunError, OSError) as error:
            return as_run_error(question.submission.run_paths.run_id, error)

    def job_id(
        self,
        submission: SubmissionPaths,
        adopted: dict[BatchPaths, JobOrRefusal] | None = None,
    ) -> JobOrRefusal:
        """The job that runs the submission, or will."""
        if submission.folder.exists():
            job_id = read_job_id(submission)
            if job_id is not None:
                return job_id
            if is_forbidden(submission) and submission.cancel.exists():
                return _not_started(submission) or failure(
                    "cancelled", "It was cancelled before it began."
                )
        member = None if submission.intent.exists() else find_member(submission)
        if member is None:
            return _or_refusal(self._backend.adopt, submission)
        batch_job = self._job_of_batch(member, {} if adopted is None else adopted)
        return member.job_id(batch_job) if isinstance(batch_job, str) else batch_job

    def save_refusal(self, submission: SubmissionPaths, why: Failure) -> RunState:
        """Note that the backend did not take a submission; its state."""
        state = RunState(
            run_id=submission.run_paths.run_id,
            status="failed",
            final=True,
            attempt=first_attempt(submission),
            failure=_refusal(submission, why),
        )
        return self._keep(submission, state)

    def _job_of_batch(
        self, member: Member, adopted: dict[BatchPaths, JobOrRefusal]
    ) -> JobOrRefusal:
        batch = member.batch
        if batch not in self._batch_jobs and batch not in adopted:
            found = self._look_for_job(batch)
            if isinstance(found, str):
                self._batch_jobs[batch] = found
            else:
                adopted[batch] = found
        return self._batch_jobs.get(batch) or adopted[batch]

    def _look_for_job(self, batch: BatchPaths) -> JobOrRefusal:
        refused = read_refusal(batch)
        adopt = adopt_waiting if batch.is_waiting else self._backend.adopt_batch
        try:
            return read_job_id(batch) or refused or _or_refusal(adopt, batch)
        except RecordError:
            if batch.folder.exists():
                raise
            # Its launcher took it back, for want of room in the queue: its runs wait, or are in
            # another.
            forget_batch(batch)
            return None

    def _judge(
        self, submission: SubmissionPaths, job_id: str | None, view: JobView | None
    ) -> RunState:
        over = view is not None and view.phase in ("ended", "unknown")
        evidence = read_evidence(submission, ended=over)
        packed = packed_batch(submission)
        evidence = replace(
            evidence,
            job_id=evidence.job_id or job_id,
            shares_job=packed is not None,
            job_record=read_exit_record(packed.ended) if packed is not None and over else None,
            missing_since_s=self._patience.missing_since_s(submission, evidence),
        )
        state = reach_verdict(evidence, view, LogTails(), grace_s=self._backend.grace_s)
        if state.final:
            return self._keep(submission, self._with_logs(submission, evidence, view, state))
        if view is not None:  # no answer says neither that it is missing nor that it is there
            self._patience.note(submission, missing=is_missing(evidence, view))
        return state

    def _with_logs(
        self, submission: SubmissionPaths, evidence: Evidence, view: JobView | None, state: RunState
    ) -> RunState:
        if state.status == "completed":
            return state
        packed = packed_batch(submission)
        if packed is not None and not evidence.claimed:
            # It has no logs; why its turn did not come is in those of the job.
            logs = LogTails(log_tail(packed.job_stdout), log_tail(packed.job_stderr))
        else:
            logs = LogTails(*read_attempt_log(submission))
        return reach_verdict(evidence, view, logs, grace_s=self._backend.grace_s)

    def _keep(self, submission: SubmissionPaths, state: RunState) -> RunState:
        if state.failure is not None:
            hint = self._backend.hints.get(state.failure.hint, state.failure.hint)
            state = replace(state, failure=replace(state.failure, hint=hint))
        self._ended[submission] = state
        try:
            make_run_folder(submission)
            save_verdict(submission, state)
        except (OSError, RecordError) as error:
            # Any other process reaches the same verdict from the same evidence.
            log.warning("could not note the end of run %s: %s", state.run_id, error)
        return state


def _or_refusal(adopt: Callable[[_Folder], str | None], folder: _Folder) -> JobOrRefusal:
    try:
        return adopt(folder)
    except SubmissionError as error:
        return failure("submission", str(error))


def adopt_waiting(batch: BatchPaths) -> None:
    """Raises SubmissionError once whoever launched a sweep will submit no more of it."""
    intent = load_intent(batch)
    if intent.host == socket.gethostname():
        alive = intent.submitter_alive()
    else:
        # A launcher shows that it lives by touching the file; see `sweep_records`.
        alive = time.time() - batch.intent.stat().st_mtime < LAUNCHER_SILENT_S
    if not alive:
        raise SubmissionError(
            "the launcher of the sweep ended before this run's turn came. `tmgg-jobs retry "
            f"{batch.name}` submits it."
        )


def save_batch_refusal(batch: BatchPaths, why: Failure) -> None:
    """Note that what a batch holds will not be run as part of it. Raises OSError."""
    write_json(batch.refusal, {"version": LAYOUT_VERSION, **why.to_json()})


def read_refusal(batch: BatchPaths) -> Failure | None:
    """Why nothing will run what a batch holds, if that is so."""
    try:
        value = read_json(batch.refusal)
        return None if value is None else Failure.from_json(value, what=str(batch.refusal))
    except (RecordError, OSError) as error:
        log.warning("%s", error)
        return None


def cancelled_while_waiting(submission: SubmissionPaths) -> bool:
    """Whether somebody cancelled a run of a sweep before its turn came."""
    return submission.cancel.exists() and not submission.intent.exists()


def _waits(submission: SubmissionPaths) -> bool:
    """Whether the launcher of a sweep has yet to submit it."""
    member = None if submission.intent.exists() else find_member(submission)
    return member is not None and member.batch.is_waiting


def _view(question: Question, views: Mapping[str, JobView | None]) -> JobView | None:
    if question.job_id is None:
        return JobView(phase="pending", reason="being submitted")
    return views[question.job_id]


def _ended_by_itself(submission: SubmissionPaths) -> bool:
    return has_trusted_end(read_evidence(submission, ended=False))


def _refusal(submission: SubmissionPaths, why: Failure) -> Failure:
    if not submission.cancel.exists():
        return why
    return _not_started(submission) or failure(
        "cancelled", "It was cancelled before the backend took it."
    )


def _not_started(submission: SubmissionPaths) -> Failure | None:
    why = read_cancel_reason(submission)
    return failure("cancelled", f"It was not started: {why}.") if why else None


def _kept_verdict(submission: SubmissionPaths) -> RunState | None:
    try:
        return load_verdict(submission)
    except RecordError as error:
        # What the verdict was reached from is still there.
        log.warning("%s; judging run %s again", error, submission.run_paths.run_id)
        return None
