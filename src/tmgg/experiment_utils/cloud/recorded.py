"""What runners that keep records on a file system share: finding runs, polling, collecting.

A subclass says how to start a submission and what its backend knows about jobs; everything that
concerns records, evidence and verdicts is here, once.
"""

import contextlib
import logging
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.errors import (
    BackendError,
    RecordError,
    RunError,
    RunExistsError,
    SubmissionError,
    SubmissionUnknownError,
    UnknownRunError,
)
from tmgg.experiment_utils import ownership
from tmgg.experiment_utils.atomic_file import write_json
from tmgg.experiment_utils.attempt_log import read_attempt_log
from tmgg.experiment_utils.cloud.base import CloudRunner, task_of
from tmgg.experiment_utils.cloud.diagnosis import LogTails
from tmgg.experiment_utils.cloud.patience import Patience
from tmgg.experiment_utils.cloud.polling import (
    Begun,
    Found,
    Question,
    as_run_error,
    poll_together,
)
from tmgg.experiment_utils.cloud.results import load_verdict, make_result, save_verdict
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState, SpawnedTask, TaskRequest
from tmgg.experiment_utils.cloud.verdict import JobView, has_trusted_end, is_missing, reach_verdict
from tmgg.experiment_utils.evidence import Evidence, read_evidence, read_job_id
from tmgg.experiment_utils.failures import Failure, failure
from tmgg.experiment_utils.paths import LAYOUT_VERSION, RunPaths, SubmissionPaths
from tmgg.experiment_utils.registry import (
    RunRecord,
    WriteSubmission,
    add_submission,
    create_run,
    find_run,
    load_run,
)

log = logging.getLogger(__name__)


class RecordedRunner(CloudRunner):
    """A runner whose runs live in folders (see `paths`)."""

    def __init__(self, output_dir: Path) -> None:
        self.output_dir = output_dir
        """Where new runs go; absolute."""
        self._found: dict[str, RunPaths] = {}
        self._ended: dict[SubmissionPaths, RunState] = {}
        self._patience = Patience()

    @abstractmethod
    def write_submission(
        self, draft: SubmissionPaths, final: SubmissionPaths, *, gpu_type: str | None
    ) -> None:
        """Write intent and script of a submission into `draft`; they will be read at `final`."""

    def check_submission(self, submission: SubmissionPaths, *, gpu_type: str | None) -> None:
        """Raise ConfigError or BackendError for what cannot be submitted; writes nothing."""
        return

    @abstractmethod
    def start(self, submission: SubmissionPaths) -> str:
        """Hand a recorded submission to the backend; the backend's job id, noted in the record."""

    @abstractmethod
    def adopt(self, submission: SubmissionPaths) -> str | None:
        """The job of a submission that has no job id on record; None while that is open.

        Raises SubmissionError once it is certain that there is no job and never will be.
        """

    @abstractmethod
    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        """What the backend says of each job, in one question; None where it did not answer."""

    @abstractmethod
    def cancel_job(self, job_id: str) -> None:
        """Ask the backend to end a job; raises BackendError when it cannot be asked."""

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        """As `cancel_job` for several; a backend that can take them in one call overrides this."""
        for job_id in job_ids:
            self.cancel_job(job_id)

    def forbid(self, submission: SubmissionPaths) -> str | None:
        """See `ownership`; a backend whose jobs do not see the run's folder overrides this."""
        return ownership.forbid(submission)

    @abstractmethod
    def record_settings(self) -> dict[str, object]:
        """The backend's config for the record."""

    @property
    @abstractmethod
    def grace_s(self) -> float:
        """How long to wait for a result or a job that should be there."""

    @property
    @abstractmethod
    def default_timeout_s(self) -> int | None:
        """Limit of a run for which none was given."""

    @property
    def source(self) -> str:
        """Whom `view_jobs` asks: runners of one source share a question."""
        return self.backend

    @property
    def base_dir(self) -> Path:
        """Working directory of new runs."""
        return Path.cwd()

    def spawn(self, request: TaskRequest, *, gpu_type: str | None, resume: bool) -> SpawnedTask:
        task = task_of(request, default_timeout_s=self.default_timeout_s)
        paths = RunPaths(self.output_dir, task.run_id)
        self.check_submission(paths.submission(1), gpu_type=gpu_type)

        def write(draft: SubmissionPaths, final: SubmissionPaths) -> None:
            self.write_submission(draft, final, gpu_type=gpu_type)

        record = RunRecord(
            run_id=task.run_id,
            backend=self.backend,
            base_dir=str(self.base_dir),
            settings=self.record_settings() | ({"gpu_type": gpu_type} if gpu_type else {}),
        )
        try:
            with _recording(paths):
                submission = create_run(paths, record, task, request.payload, write)
        except RunExistsError:
            if not resume:
                raise
            return self._resume(paths, write)
        return self._spawned(paths, self._start(submission))

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        return [_raised(found) for found in poll_together([(self, run_ids)], strict=True)[0]]

    def begin_poll(self, run_ids: Sequence[str]) -> list[Begun]:
        """See `polling.Inquirer`."""
        return [self._begin(run_id) for run_id in run_ids]

    def end_poll(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        """See `polling.Inquirer`."""
        try:
            return self._judge(question.submission, self._view(question.job_id, views))
        except (RunError, OSError) as error:
            return as_run_error(question.submission.run_paths.run_id, error)

    def collect(self, run_id: str) -> ExperimentResult:
        state = self.poll([run_id])[0]
        if not state.final:
            raise BackendError(f"run {run_id!r} has not ended: it is {state.status}. Wait for it.")
        submission = self._submission(run_id)
        return make_result(submission.run_paths, submission, state)

    def cancel(self, run_id: str) -> bool:
        return self.cancel_all([run_id])[0]

    def cancel_all(self, run_ids: Sequence[str]) -> list[bool]:
        """As `cancel` for each, with one question and one request to the backend for all."""
        open_ids = [state.run_id for state in self.poll(run_ids) if not state.final]
        found = [self._note_cancellation(self._submission(run_id)) for run_id in open_ids]
        jobs = [job_id for job_id in found if job_id is not None]
        if jobs:
            self.cancel_jobs(jobs)
        return [run_id in open_ids for run_id in run_ids]

    def _note_cancellation(self, submission: SubmissionPaths) -> str | None:
        """Before the backend is asked: a job that begins in this moment ends unused. The job."""
        note = {"version": LAYOUT_VERSION, "at": time.time(), "why": "cancel"}
        try:
            write_json(submission.cancel, note)
            job_id = self._job_id(submission)
            return self.forbid(submission) if job_id is None else _known(job_id)
        except OSError as error:
            job_id = read_job_id(submission)
            if job_id is None:
                raise BackendError(f"cannot note in {submission.folder}: {error}") from error
            return job_id

    def knows(self, paths: RunPaths) -> None:
        """Spare the runner looking for a run; its record must name this backend."""
        self._found[paths.run_id] = paths

    def existing(self, run_ids: Sequence[str]) -> list[str]:
        return [run_id for run_id in run_ids if RunPaths(self.output_dir, run_id).folder.exists()]

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        return {self._paths(run_id).ended_folder for run_id in run_ids}

    def retry(self, run_id: str) -> SpawnedTask:
        """Submit a run that failed again, with the same task.

        Raises RunExistsError when it has not failed.
        """
        paths = self._paths(run_id)
        state = self.poll([run_id])[0]
        if not (state.final and state.status == "failed"):
            raise RunExistsError(f"run {run_id!r} is {state.status}; only a failed run is retried")

        def write(draft: SubmissionPaths, final: SubmissionPaths) -> None:
            self.write_submission(draft, final, gpu_type=None)

        return self._submit_again(paths, state, write)

    def go_on(self, state: RunState) -> bool:
        if state.attempt > self.restarts_of(load_run(self._paths(state.run_id))):
            return False
        try:
            self.retry(state.run_id)
        except RunExistsError:
            return True  # another process that waits for it was first
        except SubmissionUnknownError:
            return True  # whoever asks next finds out
        except BackendError as error:
            log.warning("run %s cannot go on from its saved state: %s", state.run_id, error)
            return False
        return True

    def restarts_of(self, record: RunRecord) -> int:
        """How often a run may begin again after an interruption."""
        return 0

    def _resume(self, paths: RunPaths, write: WriteSubmission) -> SpawnedTask:
        state = self.poll([paths.run_id])[0]
        if state.final and state.status == "failed":
            return self._submit_again(paths, state, write)
        return self._spawned(paths, state.job_id)

    def _submit_again(
        self, paths: RunPaths, state: RunState, write: WriteSubmission
    ) -> SpawnedTask:
        with _recording(paths):
            self._close(self._submission(paths.run_id), state)
            submission = add_submission(paths, write)
        return self._spawned(paths, self._start(submission))

    def _close(self, submission: SubmissionPaths, state: RunState) -> None:
        """A job that was only concluded to be over must not run beside the new one."""
        job_id = self.forbid(submission) or state.job_id
        if job_id is None or state.failure is None or state.failure.kind != "lost":
            return
        try:
            self.cancel_job(job_id)
        except BackendError as error:
            log.warning("could not end the lost job %s: %s", job_id, error)

    def _start(self, submission: SubmissionPaths) -> str:
        try:
            return self.start(submission)
        except SubmissionUnknownError:
            raise  # the job may be in; whoever asks later finds out
        except SubmissionError as error:
            # A refusal is an outcome too: without it the record would look half-submitted.
            self._save_refusal(submission, error)
            raise

    def _save_refusal(self, submission: SubmissionPaths, error: SubmissionError) -> RunState:
        state = RunState(
            run_id=submission.run_paths.run_id,
            status="failed",
            final=True,
            attempt=submission.number,
            failure=_refusal(submission, error),
        )
        return self._keep(submission, state)

    def _spawned(self, paths: RunPaths, job_id: str | None) -> SpawnedTask:
        self._found[paths.run_id] = paths
        return SpawnedTask(
            run_id=paths.run_id, job_id=job_id, backend=self.backend, output_dir=paths.output_dir
        )

    def _paths(self, run_id: str) -> RunPaths:
        if run_id not in self._found:
            paths = find_run(run_id, [self.output_dir])
            record = load_run(paths)
            if record.backend != self.backend:
                raise UnknownRunError(
                    f"run {run_id!r} belongs to the {record.backend!r} backend, not to "
                    f"{self.backend!r}"
                )
            self._found[run_id] = paths
        return self._found[run_id]

    def _submission(self, run_id: str) -> SubmissionPaths:
        paths = self._paths(run_id)
        return paths.submission(max(paths.submission_numbers(), default=1))

    def _begin(self, run_id: str) -> Begun:
        try:
            submission = self._submission(run_id)
            verdict = self._ended.get(submission) or _kept_verdict(submission)
            if verdict is not None:
                return verdict
            if submission.ended.exists() and _ended_by_itself(submission):
                return self._judge(submission, None)
            job_id = self._job_id(submission)
            if isinstance(job_id, SubmissionError):
                return self._save_refusal(submission, job_id)
        except (RunError, OSError) as error:
            return as_run_error(run_id, error)
        return Question(submission, job_id)

    def _job_id(self, submission: SubmissionPaths) -> str | SubmissionError | None:
        job_id = read_job_id(submission)
        if job_id is not None:
            return job_id
        try:
            return self.adopt(submission)
        except SubmissionError as error:
            return error

    def _judge(self, submission: SubmissionPaths, view: JobView | None) -> RunState:
        over = view is not None and view.phase in ("ended", "unknown")
        evidence = read_evidence(submission, ended=over)
        missing_s = self._patience.missing_since_s(submission, evidence)
        evidence = replace(evidence, missing_since_s=missing_s)
        state = reach_verdict(evidence, view, LogTails(), grace_s=self.grace_s)
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
        logs = LogTails(*read_attempt_log(submission))
        return reach_verdict(evidence, view, logs, grace_s=self.grace_s)

    def _keep(self, submission: SubmissionPaths, state: RunState) -> RunState:
        self._ended[submission] = state
        try:
            save_verdict(submission, state)
        except OSError as error:
            # Any other process reaches the same verdict from the same evidence.
            log.warning("could not note the end of run %s: %s", state.run_id, error)
        return state

    def _view(self, job_id: str | None, views: Mapping[str, JobView | None]) -> JobView | None:
        if job_id is None:
            return JobView(phase="pending", reason="being submitted")
        return views[job_id]


@contextlib.contextmanager
def _recording(paths: RunPaths) -> Iterator[None]:
    try:
        yield
    except RunExistsError:
        raise
    except OSError as error:
        raise SubmissionError(
            f"the record of run {paths.run_id!r} cannot be written in {paths.output_dir}: {error}. "
            "Nothing was submitted; make room there, or set another output_dir."
        ) from error


def _known(job_id: str | SubmissionError) -> str | None:
    return job_id if isinstance(job_id, str) else None


def _ended_by_itself(submission: SubmissionPaths) -> bool:
    return has_trusted_end(read_evidence(submission, ended=False))


def _refusal(submission: SubmissionPaths, error: SubmissionError) -> Failure:
    if submission.cancel.exists():
        return failure("cancelled", "It was cancelled before the backend took it.")
    return failure("submission", str(error))


def _kept_verdict(submission: SubmissionPaths) -> RunState | None:
    try:
        return load_verdict(submission)
    except RecordError as error:
        # What the verdict was reached from is still there.
        log.warning("%s; judging run %s again", error, submission.run_paths.run_id)
        return None


def _raised(found: Found) -> RunState:
    if isinstance(found, RunError):
        raise found
    return found
