"""Ids of jobs and of array elements (`77_3`)."""

from collections.abc import Iterable, Sequence

# About 8 bytes an id; Linux allows 128 KiB for one argument.
IDS_PER_QUERY = 5_000


def chunks(job_ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """The ids in parts, each small enough for one command line."""
    for start in range(0, len(job_ids), IDS_PER_QUERY):
        yield job_ids[start : start + IDS_PER_QUERY]


def base_of(job_id: str) -> str:
    """The id that sbatch gave: for an element of an array, the id of the array."""
    return job_id.partition("_")[0]


def whole_arrays(job_ids: Sequence[str]) -> list[str]:
    """The ids, each element replaced by its array, without repeats, to keep a question short."""
    return list(dict.fromkeys(base_of(job_id) for job_id in job_ids))
