"""Sbatch's `--dependency`: what its text means, and what is left of it once jobs have ended. Pure.

`,` means that all items of a list must be met, `?` that one is enough; a list cannot have both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tmgg.errors import ConfigError, RefusedError
from tmgg.experiment_utils.cloud.slurm.parsing import JOB_ID

# Dependencies on how a job ends. Slurm counts others as met once it has forgotten the job.
_OF_SUCCESS = {"afterok": True, "afternotok": False}
# Dependencies that stay met once they are met.
_LASTING = {*_OF_SUCCESS, "after", "afterany"}


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended."""

    state: str
    """Slurm's word for it. For an array with a failed element, the state of that element."""

    @property
    def is_success(self) -> bool:
        return self.state == "COMPLETED"


def joined(first: str | None, second: str) -> str:
    """A dependency that is met when both are. Raises ConfigError if `first` is a `?` list."""
    if first is None:
        return second
    if "?" in first:
        raise ConfigError(
            f"slurm_dependency={first} cannot be combined with the sweep's parallelism: a later "
            "array waits for an earlier one (--dependency=afterany), and Slurm does not mix '?' "
            "with ','. Set the parallelism to the number of runs, or sweep_mode=separate."
        )
    return f"{first},{second}"


def outcome_jobs(dependency: str) -> list[str]:
    """The jobs on whose success or failure the dependency depends."""
    items = (item.split(":") for item in _items(dependency))
    jobs = [job for kind, *ids in items if kind in _OF_SUCCESS for job in ids]
    return [job for job in dict.fromkeys(jobs) if JOB_ID.fullmatch(job)]


def without_outcomes(dependency: str) -> str | None:
    """What a later job still has to wait for after a job with the same dependency has begun.

    None if nothing is left.
    """
    kinds = {item.partition(":")[0] for item in _items(dependency)}
    if "?" in dependency:
        return None if kinds <= _LASTING else dependency
    left = [item for item in _items(dependency) if item.partition(":")[0] not in _OF_SUCCESS]
    return ",".join(left) or None


def needed_of(dependency: str, ends: Mapping[str, JobEnd]) -> str | None:
    """What is left of the dependency if the jobs in `ends` have ended; None if nothing is left.

    Raises RefusedError if it can never be met.
    """
    if "?" in dependency:
        return _needed_of_any(dependency, ends)
    left = []
    for item in _items(dependency):
        kind, *jobs = item.split(":")
        if kind not in _OF_SUCCESS:
            left.append(item)
            continue
        for job in jobs:
            if job in ends and ends[job].is_success != _OF_SUCCESS[kind]:
                raise _never(dependency, job, ends[job])
        if waits := [job for job in jobs if job not in ends]:
            left.append(":".join([kind, *waits]))
    return ",".join(left) or None


def _needed_of_any(dependency: str, ends: Mapping[str, JobEnd]) -> str | None:
    left = []
    for item in _items(dependency):
        kind, *jobs = item.split(":")
        if kind not in _OF_SUCCESS or any(job not in ends for job in jobs):
            left.append(item)
        elif all(ends[job].is_success == _OF_SUCCESS[kind] for job in jobs):
            return None
        else:
            job = next(job for job in jobs if ends[job].is_success != _OF_SUCCESS[kind])
    if not left:
        raise _never(dependency, job, ends[job])
    return "?".join(left)


def _items(dependency: str) -> list[str]:
    return dependency.replace("?", ",").split(",")


def _never(dependency: str, job: str, end: JobEnd) -> RefusedError:
    return RefusedError(
        f"slurm_dependency={dependency} can never be met: job {job} ended {end.state}, so nothing "
        "was submitted. Set slurm_dependency to another job, or to null."
    )
