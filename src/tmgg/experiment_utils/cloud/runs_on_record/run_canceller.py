"""Cancels runs, with one question and one request to the backend for all of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.errors import BackendError, QueryError, RecordError
from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.judging.job_lookup import JobOrRefusal
from tmgg.experiment_utils.cloud.judging.judge import REPLACED, Judge
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.run_finder import RunFinder
from tmgg.experiment_utils.cloud.runs_on_record.run_poller import RunPoller
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.write_cures import cure_for
from tmgg.experiment_utils.run_folder.batch_index import make_run_folder
from tmgg.experiment_utils.run_folder.batches import runs_of_batch
from tmgg.experiment_utils.run_folder.exit_record import read_exit_record
from tmgg.experiment_utils.run_folder.owners import other_owner
from tmgg.experiment_utils.run_folder.ownership import read_job_id
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, BatchPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.removed_runs import refuse_removed
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


@dataclass(frozen=True, slots=True, eq=False)
class RunCanceller:
    """Cancels the runs of one backend."""

    backend: Backend
    finder: RunFinder
    judge: Judge
    poller: RunPoller

    def cancel_all(self, run_ids: Sequence[str], why: str) -> list[bool]:
        """See `RunControl`."""
        open_ids = [state.run_id for state in self.poller.poll(run_ids) if self._may_go_on(state)]
        self._refuse_elsewhere(open_ids)
        jobs: dict[str, BatchPaths | None] = {}
        unproven: dict[str, str] = {}
        for submission in map(self.finder.submission, open_ids):
            job_id = self._note(submission, why)
            doubt = self._doubt(submission)
            if job_id is not None and not doubt:
                jobs[job_id] = SubmissionFiles(submission).packed_in
            elif job_id is not None and doubt != REPLACED:
                unproven[job_id] = f"{submission.run_paths.run_id} (job {job_id}): {doubt}"
        # A job that other runs share goes on for them. It looks for the notes of `_note` itself.
        doomed = [job for job, batch in jobs.items() if batch is None or not _has_runs_left(batch)]
        if doomed:
            self.backend.cancel_jobs(doomed)
        if unproven:
            self._refuse_unproven(unproven)
        return [run_id in open_ids for run_id in run_ids]

    def settle(self, run_id: str) -> None:
        """If a run seems abandoned, forbid its submission and save that end."""
        submission = self.finder.submission(run_id)
        state = self.poller.poll([run_id])[0]
        if state.final and self.judge.is_abandoned(submission):
            make_run_folder(submission)
            if self.backend.forbid(submission) is None and state.failure is not None:
                self.judge.save_refusal(submission, state.failure)

    def _may_go_on(self, state: RunState) -> bool:
        """Whether the run may still go on; a run that only seems abandoned may."""
        return not state.final or self.judge.is_abandoned(self.finder.submission(state.run_id))

    def _doubt(self, submission: SubmissionPaths) -> str:
        return self.judge.why_unproven(submission) if self.backend.traits.proves_jobs else ""

    def _refuse_unproven(self, unproven: dict[str, str]) -> None:
        self.backend.view_again(list(unproven))
        example = next(iter(unproven.values()))
        raise QueryError(
            f"{len(unproven)} of the runs may go on, for example {example}. No job is "
            "cancelled before it is known to be the run's own; say it again later."
        )

    def _refuse_elsewhere(self, run_ids: Sequence[str]) -> None:
        for submission in map(self.finder.submission, run_ids):
            where = self.judge.elsewhere(submission)
            if where:
                run_id = submission.run_paths.run_id
                raise BackendError(f"run {run_id!r} is not cancelled, nothing was done: {where}")

    def _note(self, submission: SubmissionPaths, why: str) -> str | None:
        """Note the cancellation, and return the run's job; None if it has none.

        This comes before the request to the backend, so a job that begins now ends unused.
        """
        note = {"version": LAYOUT_VERSION, "at": time.time(), "why": why or "cancel"}
        try:
            make_run_folder(submission)
            write_json(submission.cancel, note)
            job_id = self.judge.job_id(submission)
            is_member = SubmissionFiles(submission).member is not None
            if not isinstance(job_id, str) or is_member:
                # Slurm forgets an array element that never began; if forbidden, its end is known.
                return self.backend.forbid(submission) or _known(job_id)
            if self.backend.traits.begins_cancelled_jobs:
                self.backend.forbid(submission)
            return _known(job_id)
        except OSError as error:
            job_id = read_job_id(submission)
            if job_id is None:
                refuse_removed(submission.run_paths)
                raise BackendError(_why_not_noted(submission, error)) from error
            return job_id


def _has_runs_left(batch: BatchPaths) -> bool:
    """Whether a run of a packed batch may still begin or go on, and was not cancelled."""
    return any(_needs_its_job(paths) for paths in runs_of_batch(batch))


def _needs_its_job(paths: SubmissionPaths) -> bool:
    if is_there(paths.cancel) or is_there(paths.verdict):
        return False
    try:
        record = read_exit_record(paths)
    except RecordError:  # it is not known to which submission the record belongs
        return True
    # A run that was asked to end together with its job goes on when the job begins again.
    return record is None or record.signal != ""


def _why_not_noted(submission: SubmissionPaths, error: OSError) -> str:
    owner = other_owner(submission)
    if owner is not None:
        return f"run {submission.name} is {owner}'s, and only {owner} can cancel it"
    cure = cure_for(error, submission.folder)
    return f"cannot note in {submission.folder}: {error}" + (f". {cure}." if cure else "")


def _known(job_id: JobOrRefusal) -> str | None:
    return job_id if isinstance(job_id, str) else None
