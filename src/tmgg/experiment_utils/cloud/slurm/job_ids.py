"""Ids of jobs and of array elements (`77_3`)."""

from collections.abc import Iterable, Sequence

# About 8 bytes an id; Linux allows 128 KiB for one argument.
IDS_PER_QUERY = 5_000


def chunks(job_ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """As many as one command line takes."""
    for start in range(0, len(job_ids), IDS_PER_QUERY):
        yield job_ids[start : start + IDS_PER_QUERY]


def base_of(job_id: str) -> str:
    """The job as sbatch named it: the array, for one of its elements."""
    return job_id.partition("_")[0]


def whole_arrays(job_ids: Sequence[str]) -> list[str]:
    """The arrays of these jobs, so that a question is short, however many elements are meant."""
    return list(dict.fromkeys(base_of(job_id) for job_id in job_ids))
