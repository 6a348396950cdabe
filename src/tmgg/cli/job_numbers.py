"""Finds the runs of a backend's job."""

from collections.abc import Iterable, Iterator

from tmgg.errors import RecordError
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.ownership import read_job_id
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SubmissionPaths


def runs_of_job(job: str, runs: Iterable[RunPaths]) -> list[RunPaths]:
    """The runs that were submitted as this job. The id of a job array means all of its elements.

    Raises OSError if the file system does not answer.
    """
    batches: dict[BatchPaths, str | None] = {}
    return [run for run in runs if any(_names(job, each) for each in _job_ids(run, batches))]


def _names(job: str, found: str) -> bool:
    """Whether `found` is this job, an element of this array, or a job `JOB@HOST` on any host."""
    return job in (found, found.partition("@")[0], found.rpartition("_")[0])


def _job_ids(run: RunPaths, batches: dict[BatchPaths, str | None]) -> Iterator[str]:
    for number in run.submission_numbers() or [1]:
        found = _job_id(run.submission(number), batches)
        if found is not None:
            yield found


def _job_id(paths: SubmissionPaths, batches: dict[BatchPaths, str | None]) -> str | None:
    own = read_job_id(paths)
    member = None if own is not None else find_member(paths)
    if member is None:
        return own
    if member.batch not in batches:
        batches[member.batch] = read_job_id(member.batch)
    of_batch = batches[member.batch]
    try:
        return None if of_batch is None else member.job_id(of_batch)
    except RecordError:  # a damaged batch; its runs can still be found by their ids
        return None
