"""Which job runs a submission, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tmgg.errors import AbandonedError, RecordError, SubmissionError
from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.sweep.batch_refusals import adopt_waiting, read_refusal
from tmgg.experiment_utils.files.looking import expect_folder, is_there
from tmgg.experiment_utils.run_folder.batch_index import forget_batch
from tmgg.experiment_utils.run_folder.batches import Member
from tmgg.experiment_utils.run_folder.failures import Failure, failure, not_started
from tmgg.experiment_utils.run_folder.ownership import read_job_id
from tmgg.experiment_utils.run_folder.paths import BatchPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles

_Folder = TypeVar("_Folder")


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The submission seems abandoned, without proof. A retry forbids it before it goes on."""

    why: Failure


JobOrRefusal = str | Failure | Abandoned | None
"""The job's id, or why there is no job; None while a job may still come."""


class JobLookup:
    """Finds the jobs of one runner's runs, and remembers the jobs of batches."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._batch_jobs: dict[BatchPaths, str] = {}

    def find(self, files: SubmissionFiles, adopted: dict[BatchPaths, JobOrRefusal]) -> JobOrRefusal:
        """The job that runs the submission or will run it.

        `adopted` holds the answers for batches, so TMGG looks for the job of each batch once.
        """
        if files.has_folder:
            if files.job_id is not None:
                return files.job_id
            if files.is_forbidden and files.is_cancelled:
                return why_not_started(files) or failure(
                    "cancelled", "It was cancelled before it began."
                )
        if files.member is None:
            return _or_refusal(self._backend.adopt, files.paths)
        batch_job = self._job_of_batch(files.member, adopted)
        return files.member.job_id(batch_job) if isinstance(batch_job, str) else batch_job

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
        adopt = adopt_waiting if batch.is_waiting else self._backend.adopt
        try:
            return read_job_id(batch) or refused or _or_refusal(adopt, batch)
        except RecordError:
            if is_there(batch.folder):
                raise
            expect_folder(batch.output_dir)
            # Its launcher withdrew the batch because the queue was full. Its runs wait again, or
            # they are in another batch.
            forget_batch(batch)
            return None


def _or_refusal(adopt: Callable[[_Folder], str | None], folder: _Folder) -> JobOrRefusal:
    try:
        return adopt(folder)
    except AbandonedError as error:
        why = failure("submission", str(error))
        return why if error.is_final else Abandoned(why)
    except SubmissionError as error:
        return failure("submission", str(error))


def why_not_started(files: SubmissionFiles) -> Failure | None:
    """Why a run was cancelled before it began; None if no reason is on record."""
    why = files.cancel_reason
    if not why:
        return None
    return not_started(why)
