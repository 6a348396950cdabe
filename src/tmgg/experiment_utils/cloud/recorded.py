"""What runners that keep records on a file system share: finding runs, polling, collecting.

A subclass says how to start a submission and what its backend knows about jobs; everything that
concerns records, evidence and verdicts is here, once.
"""

import functools
import logging
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tmgg.errors import (
    BackendError,
    NotEndedError,
    RunError,
    RunExistsError,
    SubmissionError,
    SubmissionUnknownError,
    SubmitLimitError,
    TmggError,
    UnknownRunError,
)
from tmgg.experiment_utils import ownership
from tmgg.experiment_utils.atomic_file import write_json
from tmgg.experiment_utils.batch_index import (
    fill_run_folder,
    find_member,
    has_runs_left,
    make_run_folder,
    packed_batch,
)
from tmgg.experiment_utils.cloud import sweep_records
from tmgg.experiment_utils.cloud.base import CloudRunner, task_of
from tmgg.experiment_utils.cloud.judging import JobOrRefusal, Judge, cancelled_while_waiting
from tmgg.experiment_utils.cloud.polling import (
    Begun,
    Found,
    Question,
    as_run_error,
    poll_together,
    state_or_raise,
)
from tmgg.experiment_utils.cloud.recording import recording
from tmgg.experiment_utils.cloud.results import make_result
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState, SpawnedTask, TaskRequest
from tmgg.experiment_utils.cloud.sweep_policy import RetryChanges
from tmgg.experiment_utils.cloud.sweeping import SweepPlan
from tmgg.experiment_utils.cloud.verdict import JobView
from tmgg.experiment_utils.evidence import read_job_id
from tmgg.experiment_utils.failures import Failure, failure
from tmgg.experiment_utils.paths import (
    LAYOUT_VERSION,
    BatchPaths,
    RunPaths,
    SubmissionPaths,
    resolve_output_dir,
)
from tmgg.experiment_utils.registry import (
    RunRecord,
    WriteSubmission,
    add_submission,
    create_run,
    find_run,
    load_run,
    runs_in,
    withdraw_submission,
)

log = logging.getLogger(__name__)


class RecordedRunner(CloudRunner):
    """A runner whose runs live in folders (see `paths`)."""

    hints: ClassVar[Mapping[str, str]] = {}
    """Hints in the words of this backend's options, by those of `failures` they replace."""

    def __init__(self, output_dir: str | Path, *, poll_interval_s: float, grace_s: float) -> None:
        """Relative paths are resolved against the working directory of this moment."""
        self._base_dir = Path.cwd()
        self._poll_interval_s = poll_interval_s
        self._grace_s = grace_s
        self.output_dir = resolve_output_dir(output_dir, self._base_dir)
        """Where new runs go; absolute."""
        self._found: dict[str, RunPaths] = {}
        self._judge = Judge(self)

    @abstractmethod
    def write_submission(
        self, draft: SubmissionPaths, final: SubmissionPaths, *, gpu_type: str | None
    ) -> None:
        """Write intent and script of a submission into `draft`; they will be read at `final`."""

    def write_retry(
        self, draft: SubmissionPaths, final: SubmissionPaths, changes: RetryChanges
    ) -> None:
        """As `write_submission` for a run that failed; a backend overrides it for the changes."""
        self.write_submission(draft, final, gpu_type=None)

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

    def adopt_batch(self, batch: BatchPaths) -> str | None:
        """As `adopt`, for a batch; only asked of a backend that submits some."""
        raise NotImplementedError

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
    def poll_interval_s(self) -> float:
        return self._poll_interval_s

    @property
    def grace_s(self) -> float:
        """How long to wait for a result or a job that should be there."""
        return self._grace_s

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
        return self._base_dir

    def spawn(self, request: TaskRequest, *, gpu_type: str | None, resume: bool) -> SpawnedTask:
        task = task_of(request, default_timeout_s=self.default_timeout_s)
        paths = RunPaths(self.output_dir, task.run_id)
        self.check_submission(paths.submission(1), gpu_type=gpu_type)
        write = functools.partial(self.write_submission, gpu_type=gpu_type)
        record = self.new_record(task.run_id, gpu_type=gpu_type)
        try:
            with recording(paths):
                submission = create_run(paths, record, task, request.payload, write)
        except RunExistsError:
            if resume:
                return self._resume(paths, write)
            if cancelled_while_waiting(paths.submission(1)):
                return self._spawned(paths, None)
            raise
        return self._spawned(paths, self._start(submission))

    def new_record(self, run_id: str, *, gpu_type: str | None) -> RunRecord:
        """What is asked for in a new run."""
        return RunRecord(
            run_id=run_id,
            backend=self.backend,
            base_dir=str(self.base_dir),
            settings=self.record_settings() | ({"gpu_type": gpu_type} if gpu_type else {}),
        )

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        return [state_or_raise(found) for found in self.poll_each(run_ids)]

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        return poll_together([(self, run_ids)], strict=True)[0]

    def begin_poll(self, run_ids: Sequence[str]) -> list[Begun]:
        """See `polling.Inquirer`."""
        adopted: dict[BatchPaths, JobOrRefusal] = {}
        return [self._begin(run_id, adopted) for run_id in run_ids]

    def end_poll(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        """See `polling.Inquirer`."""
        return self._judge.end(question, views)

    def collect(self, run_id: str) -> ExperimentResult:
        state = self.poll([run_id])[0]
        if not state.final:
            raise NotEndedError(f"run {run_id!r} has not ended: it is {state.status}. Wait for it.")
        submission = self._submission(run_id)
        return make_result(submission.run_paths, submission, state)

    def cancel(self, run_id: str) -> bool:
        return self.cancel_all([run_id])[0]

    def cancel_all(self, run_ids: Sequence[str], *, why: str = "") -> list[bool]:
        """With one question and one request to the backend for all."""
        open_ids = [state.run_id for state in self.poll(run_ids) if not state.final]
        jobs: dict[str, BatchPaths | None] = {}
        for submission in map(self._submission, open_ids):
            job_id = self._note_cancellation(submission, why)
            if job_id is not None:
                jobs[job_id] = packed_batch(submission)
        # A job that others share goes on for them; it looks for such notes itself.
        doomed = [job for job, batch in jobs.items() if batch is None or not has_runs_left(batch)]
        if doomed:
            self.cancel_jobs(doomed)
        return [run_id in open_ids for run_id in run_ids]

    def _note_cancellation(self, submission: SubmissionPaths, why: str) -> str | None:
        """Before the backend is asked: a job that begins in this moment ends unused. The job."""
        note = {"version": LAYOUT_VERSION, "at": time.time(), "why": why or "cancel"}
        try:
            make_run_folder(submission)
            write_json(submission.cancel, note)
            job_id = self._judge.job_id(submission)
            is_member = not submission.intent.exists() and find_member(submission) is not None
            if job_id is None or is_member:
                # Slurm forgets an element that never began; so it is known why it never will.
                return self.forbid(submission) or _known(job_id)
            return _known(job_id)
        except OSError as error:
            job_id = read_job_id(submission)
            if job_id is None:
                raise BackendError(f"cannot note in {submission.folder}: {error}") from error
            return job_id

    def knows(self, paths: RunPaths) -> None:
        """Spare the runner looking for a run; its record must name this backend."""
        self._found[paths.run_id] = paths

    def existing(self, run_ids: Sequence[str]) -> list[str]:
        taken = sweep_records.taken_names(self.output_dir)
        return [run_id for run_id in run_ids if run_id in taken]

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        return {self._paths(run_id).ended_folder for run_id in run_ids}

    def match_earlier(self, requests: Sequence[TaskRequest]) -> list[TaskRequest]:
        recorded = {paths.run_id for paths in runs_in(self.output_dir)}
        return sweep_records.match_earlier(self.output_dir, requests, recorded)

    def note_sweep(self, plan: SweepPlan, *, gpu_type: str | None) -> None:
        existing = set(self.existing([str(request.run_id) for request in plan.requests]))
        new = [request for request in plan.requests if request.run_id not in existing]
        tasks = [
            (task_of(request, default_timeout_s=self.default_timeout_s), request.payload)
            for request in new
        ]
        record = self.new_record("", gpu_type=gpu_type)
        sweep_records.note_sweep(self.output_dir, record, plan, tasks)

    def end_sweep(self, sweep_id: str, why: Failure) -> None:
        sweep_records.end_waiting(self.output_dir, sweep_id, why)

    def show_alive(self, sweep_id: str) -> None:
        sweep_records.show_alive(self.output_dir, sweep_id)

    def retry(self, run_id: str, changes: RetryChanges | None = None) -> SpawnedTask:
        # Before the poll: whatever is newer than what was found failed must not run beside it.
        earlier = self._submission(run_id)
        state = self.poll([run_id])[0]
        if not (state.final and state.status == "failed"):
            raise RunExistsError(f"run {run_id!r} is {state.status}; only a failed run is retried")
        write = functools.partial(self.write_retry, changes=changes or RetryChanges())
        return self._submit_again(earlier, state, write)

    def go_on(self, state: RunState) -> bool:
        try:
            if state.attempt > self.restarts_of(load_run(self._paths(state.run_id))):
                return False
            self.retry(state.run_id)
        except RunExistsError:
            return True  # another process that waits for it was first
        except SubmissionUnknownError:
            return True  # whoever asks next finds out
        except (TmggError, OSError) as error:
            log.warning("run %s cannot go on from its saved state: %s", state.run_id, error)
            return False
        return True

    def restarts_of(self, record: RunRecord) -> int:
        """How often a run may begin again after an interruption."""
        return 0

    def _resume(self, paths: RunPaths, write: WriteSubmission) -> SpawnedTask:
        earlier = self._submission(paths.run_id)
        state = self.poll([paths.run_id])[0]
        if not (state.final and state.status == "failed"):
            return self._spawned(paths, state.job_id)
        try:
            return self._submit_again(earlier, state, write)
        except RunExistsError:
            return self._spawned(paths, None)  # another process that resumes it was first

    def _submit_again(
        self, earlier: SubmissionPaths, state: RunState, write: WriteSubmission
    ) -> SpawnedTask:
        submission = self._add_submission(earlier, state, write)
        return self._spawned(earlier.run_paths, self._start(submission))

    def begin_again(self, state: RunState, number: int) -> SubmissionPaths:
        """Submission `number` of a run whose one before failed, as yet empty.

        Raises RunExistsError when somebody else was first.
        """
        earlier = self._paths(state.run_id).submission(number - 1)
        return self._add_submission(earlier, state, lambda _draft, _final: None)

    def _add_submission(
        self, earlier: SubmissionPaths, state: RunState, write: WriteSubmission
    ) -> SubmissionPaths:
        with recording(earlier.run_paths):
            fill_run_folder(earlier)
            self._close(earlier, state)
            return add_submission(earlier, write)

    def end_again(self, run_id: str) -> None:
        """Take back what `begin_again` began."""
        withdraw_submission(self._submission(run_id))

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
        except SubmitLimitError:
            withdraw_submission(submission)
            raise
        except SubmissionError as error:
            # A refusal is an outcome too: without it the record would look half-submitted.
            self._judge.save_refusal(submission, failure("submission", str(error)))
            raise

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

    def _begin(self, run_id: str, adopted: dict[BatchPaths, JobOrRefusal]) -> Begun:
        try:
            submission = self._submission(run_id)
        except (RunError, OSError) as error:
            return as_run_error(run_id, error)
        return self._judge.begin(submission, adopted)

    def _submission(self, run_id: str) -> SubmissionPaths:
        paths = self._paths(run_id)
        return paths.submission(max(paths.submission_numbers(), default=1))


def _known(job_id: JobOrRefusal) -> str | None:
    return job_id if isinstance(job_id, str) else None
