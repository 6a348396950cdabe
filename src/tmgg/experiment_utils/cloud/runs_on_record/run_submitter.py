"""Submits runs, also again after a failure. The record is written before each submission."""

import logging
from dataclasses import dataclass
from functools import cached_property, partial

from tmgg.errors import (
    BackendError,
    RefusedError,
    RunExistsError,
    SubmissionError,
    SubmissionUnknownError,
    SubmitLimitError,
    TmggError,
)
from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.judging.judge import Judge, cancelled_while_waiting
from tmgg.experiment_utils.cloud.runs import RunState, SpawnedTask, TaskRequest, is_to_submit
from tmgg.experiment_utils.cloud.runs_on_record.batched_run import (
    is_waiting,
    place_in_batch,
    refuse_taken,
    yield_to_batch,
)
from tmgg.experiment_utils.cloud.runs_on_record.recording import (
    continuing,
    given_up_elsewhere,
    recording,
)
from tmgg.experiment_utils.cloud.runs_on_record.requests import task_of
from tmgg.experiment_utils.cloud.runs_on_record.run_finder import RunFinder
from tmgg.experiment_utils.cloud.runs_on_record.run_poller import RunPoller
from tmgg.experiment_utils.cloud.sweep import matching
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.cloud.sweep.records import waits_for_another
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.hiccups import Hiccups, outlast
from tmgg.experiment_utils.files.looking import can_look, is_there
from tmgg.experiment_utils.program.interpreter_options import interpreter_options
from tmgg.experiment_utils.run_folder.attempts import AttemptRequest, record_of, write_attempt
from tmgg.experiment_utils.run_folder.batch_index import fill_run_folder
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.owners import refuse_anothers
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.refused_retry import note_refused_retry
from tmgg.experiment_utils.run_folder.registry import (
    RunRecord,
    WriteSubmission,
    add_submission,
    create_run,
    withdraw_submission,
)
from tmgg.experiment_utils.run_folder.removed_runs import is_removed, refuse_removed
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RunSubmitter:
    """Submits the runs of one backend."""

    backend: Backend
    finder: RunFinder
    judge: Judge
    poller: RunPoller

    def spawn(
        self,
        request: TaskRequest,
        *,
        gpu_type: str | None,
        resume: bool,
        sweep_id: str = "",
        refused: str = "",
        is_noted: bool = False,
    ) -> SpawnedTask:
        """See `RunControl`. `sweep_id` is the sweep that submits its run; empty for a single run.

        If `refused` is not empty, the run is refused with that reason, and the backend is not
        asked.
        `is_noted` says that this process has put the run on record as a new run of a sweep. If
        another process has acted on it since then, that is no error, with `resume` neither.
        """
        traits = self.backend.traits
        task = task_of(request, default_timeout_s=traits.default_timeout_s)
        paths = RunPaths(traits.output_dir, task.run_id)
        write = self.backend.check(paths.submission(1), gpu_type=gpu_type) or partial(
            self.backend.write, gpu_type=gpu_type, changes=None
        )
        record = self.new_record(task.run_id, gpu_type=gpu_type)
        place = place_in_batch(paths)
        is_own = place is not None and place.batch.name == sweep_id
        if resume and is_waiting(paths, place):
            matching.refuse_other_content(paths, request)
            if waits_for_another(paths):
                return self._spawned(paths, None)  # the other process submits this same run
        try:
            refuse_taken(paths, place, may_begin=resume or is_own)
            with recording(paths):
                submission = create_run(paths, record, task, request.payload, write)
                if place is None:
                    yield_to_batch(submission)
            self.judge.forget(submission)
        except RunExistsError:
            if resume and not is_noted:
                asked = AttemptRequest(record=record, task=task, payload=request.payload)
                return self._resume(paths, request, asked, refused)
            if not (is_noted or is_own):
                raise
            return self._follow(paths, request)
        try:
            return self._spawned(paths, self._start(submission, record, refused))
        except RunExistsError as error:
            log.info("%s", error)
            return self._follow(paths, request)

    def new_record(self, run_id: str, *, gpu_type: str | None) -> RunRecord:
        """The record of a new run."""
        traits = self.backend.traits
        return RunRecord(
            run_id=run_id,
            backend=traits.name,
            base_dir=str(traits.base_dir),
            settings=dict(traits.settings) | ({"gpu_type": gpu_type} if gpu_type else {}),
            interpreter_options=interpreter_options(),
        )

    def retry(
        self, run_id: str, changes: RetryChanges | None, asked: AttemptRequest | None
    ) -> SpawnedTask:
        """See `RunControl`; `asked` is what differs from the attempt before."""
        # Before the poll: if another process submits the run meanwhile, the next number is taken
        # and this retry fails, so that two submissions never run beside each other.
        earlier = self.finder.submission(run_id)
        state = self.poller.poll([run_id])[0]
        if not state.final and (where := self.judge.elsewhere(earlier)):
            raise SubmissionError(f"run {run_id!r} is not submitted again: {where}")
        if not (state.final and state.status == "failed"):
            raise RunExistsError(f"run {run_id!r} is {state.status}; only a failed run is retried")
        return self._submit_again(
            earlier, state, asked or AttemptRequest(), changes or RetryChanges()
        )

    def go_on(self, state: RunState) -> bool:
        """See `RunControl`."""
        try:
            record = record_of(self.finder.submission(state.run_id))
            if state.attempt > self.backend.traits.restarts_of(record.settings):
                return False
            again = self.retry(state.run_id, None, None)
        except (RunExistsError, SubmissionUnknownError):
            return True  # another process was first, or a later poll shows if it was submitted
        except (TmggError, OSError) as error:
            log.warning("run %s cannot go on from its saved state: %s", state.run_id, error)
            return self._hiccups.bearable(state.run_id, error)
        self._hiccups.over(state.run_id)
        job = f" as job {again.job_id}" if again.job_id else ""
        log.warning(
            "run %s was ended with its state saved%s; it is submitted again%s, to go on from there",
            *(state.run_id, _why(state), job),
        )
        return True

    @cached_property
    def _hiccups(self) -> Hiccups:
        return Hiccups()

    def begin_again(self, state: RunState, number: int) -> SubmissionPaths:
        """Reserve submission `number` of a run whose submission before failed; it is still empty.

        Raises RunExistsError if another process was first.
        """
        earlier = self.finder.paths(state.run_id).submission(number - 1)
        return self._add_submission(earlier, state, _reserve)

    def take_back(self, submission: SubmissionPaths, refused: str = "") -> None:
        """Undo `begin_again`: the run's end and options are then as before.

        `refused` says why the backend refused it; empty if the backend did not.
        """
        if refused:
            note_refused_retry(submission, refused)
        withdraw_submission(submission)
        self.judge.forget(submission)

    def _resume(
        self,
        paths: RunPaths,
        request: TaskRequest,
        asked: AttemptRequest,
        refused: str,
    ) -> SpawnedTask:
        matching.refuse_other_content(paths, request)
        earlier = self.finder.submission(paths.run_id)
        state = self.poller.poll([paths.run_id])[0]
        if not (state.final and state.status == "failed"):
            return self._spawned(paths, state.job_id)
        try:
            return self._submit_again(earlier, state, asked, RetryChanges(), refused)
        except RunExistsError:
            return self._spawned(paths, None)  # another process that resumes it was first

    def _follow(self, paths: RunPaths, request: TaskRequest) -> SpawnedTask:
        """A new run of this process on which another process has acted meanwhile.

        The other process took this one for ended, as this one was stopped for long. If the other
        has only given the run up, the run is submitted here. Raises RunExistsError if the run has
        another content than the request.
        """
        if not cancelled_while_waiting(paths.submission(1)):
            matching.refuse_other_content(paths, request)
        self.finder.knows(paths)
        earlier = self.finder.submission(paths.run_id)
        state = self.poller.poll([paths.run_id])[0]
        if is_given_up(state):
            try:
                return self._submit_again(earlier, state, AttemptRequest(), RetryChanges())
            except RunExistsError as error:
                log.info("%s", error)
        return self._spawned(paths, None if state.final else state.job_id)

    def _submit_again(
        self,
        earlier: SubmissionPaths,
        state: RunState,
        asked: AttemptRequest,
        changes: RetryChanges,
        refused: str = "",
    ) -> SpawnedTask:
        def write(draft: SubmissionPaths, final: SubmissionPaths) -> None:
            write_attempt(draft, asked)
            self.backend.write(draft, final, gpu_type=None, changes=changes)

        submission = self._add_submission(earlier, state, write)
        return self._spawned(earlier.run_paths, self._start(submission, None, refused))

    def _add_submission(
        self, earlier: SubmissionPaths, state: RunState, write: WriteSubmission
    ) -> SubmissionPaths:
        refuse_anothers(earlier)
        where = self.backend.whereabouts(earlier).elsewhere
        if where:
            raise SubmissionError(f"run {state.run_id!r} is not submitted again: {where}")
        with recording(earlier.run_paths):
            fill_run_folder(earlier)
            self._close(earlier, state)
            with continuing(earlier.run_paths.submission(earlier.number + 1)):
                return add_submission(earlier, write)

    def _close(self, submission: SubmissionPaths, state: RunState) -> None:
        """Keep the old submission from running beside the new one.

        Its job may still be alive if the verdict only concluded that it was lost.
        """
        begun = self.backend.forbid(submission)
        if begun is not None and state.job_id is None:
            raise RunExistsError(
                f"run {state.run_id!r} began just now, as job {begun}; only a failed run is retried"
            )
        job_id = begun or state.job_id
        if job_id is None or state.failure is None or state.failure.kind != "lost":
            return
        try:
            if self.backend.traits.proves_jobs and not self._is_own_job(submission, job_id):
                return
            self.backend.cancel_jobs([job_id])
        except BackendError as error:
            log.warning("could not end the lost job %s: %s", job_id, error)

    def _is_own_job(self, submission: SubmissionPaths, job_id: str) -> bool:
        view = self.judge.own_view(
            SubmissionFiles(submission), self.backend.view_jobs([job_id]).get(job_id)
        )
        return view is not None and view.phase in ("pending", "running", "ended")

    def _start(self, submission: SubmissionPaths, record: RunRecord | None, refused: str) -> str:
        """Give the submission to the backend; returns the job's id.

        `record` is what was written; None if the backend may have changed it. Raises RunExistsError
        if there is no job, and another process has acted on the run meanwhile.
        """

        def start() -> str:
            return self.backend.start(submission, record or record_of(submission))

        try:
            if refused:
                raise RefusedError(refused)
            with leases.held(submission.intent):
                return outlast(start, is_over=partial(_can_be_read, submission))
        except SubmissionUnknownError:
            raise  # the backend may have the job; a later poll shows whether it has
        except SubmitLimitError:
            _refuse_taken_over(submission)
            withdraw_submission(submission)
            raise
        except SubmissionError as error:
            _refuse_taken_over(submission)
            if submission.number == 1:
                # The refusal is saved as the end: otherwise the record would look half-submitted.
                self.judge.save_refusal(submission, failure("submission", str(error)))
            else:
                self.take_back(submission, str(error))
            raise

    def _spawned(self, paths: RunPaths, job_id: str | None) -> SpawnedTask:
        self.finder.knows(paths)
        return SpawnedTask(
            run_id=paths.run_id,
            job_id=job_id,
            backend=self.backend.traits.name,
            output_dir=paths.output_dir,
        )


def _why(state: RunState) -> str:
    words = state.backend_state or state.reason
    return f" ({words})" if words else ""


def is_given_up(state: RunState) -> bool:
    """Whether a run has no job, and no process submits it any more.

    Only for a run that this process has not seen refused by the backend.
    """
    why = state.failure
    return is_to_submit(state) or (state.final and why is not None and why.kind == "submission")


def _can_be_read(submission: SubmissionPaths) -> bool:
    """Whether the submission can be read, or will never be read again."""
    return can_look(submission.intent) or is_removed(submission.run_paths)


def _refuse_taken_over(submission: SubmissionPaths) -> None:
    """Raise RunExistsError if another process has cancelled the run or submitted it again.

    Raises RemovedRunError if another process has removed it.
    """
    run = submission.run_paths
    refuse_removed(run)
    try:
        newest = max(run.submission_numbers(), default=0)
        is_taken_over = newest > submission.number or is_there(submission.cancel)
    except OSError as error:
        log.info("whether others have acted on run %s cannot be seen now: %s", run.run_id, error)
        return
    if is_taken_over:
        raise given_up_elsewhere(submission)


def _reserve(draft: SubmissionPaths, _final: SubmissionPaths) -> None:
    # Another process could replace an empty folder by renaming its own onto it.
    (draft.folder / "reserved").touch(mode=0o600)
