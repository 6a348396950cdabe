"""What a packed batch knows about the job that it runs in, from the job's environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from tmgg.experiment_utils.job.job_environment import RESTART_VARIABLE
from tmgg.experiment_utils.job.slurm_step import is_of_a_step

# So long before the allocation's end no more runs are started, and running ones are asked to stop;
_STOP_BEFORE_S = 60.0
# so long before it they are ended.
_END_BEFORE_S = 30.0
# In a short allocation these times are at most this share of its time.
_LARGEST_SHARE = 0.2

# They are about all runs of the job; one run has a share of one node.
_OF_ALL_RUNS = ("SLURM_NNODES", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """The job of all runs of a batch."""

    job_id: str
    restart: int = 0
    """How often the backend has restarted it."""
    began_at: float = 0.0
    """Unix time."""
    limit_s: float | None = None
    """The job's time limit in seconds; None if it has none."""

    def is_time_to_stop(self, now: float) -> bool:
        """Whether no run should begin any more."""
        return self._left_s(now) <= self._margin_s(_STOP_BEFORE_S)

    def is_time_to_end(self, now: float) -> bool:
        """Whether the runs must be ended."""
        return self._left_s(now) <= self._margin_s(_STOP_BEFORE_S) * _END_BEFORE_S / _STOP_BEFORE_S

    def _left_s(self, now: float) -> float:
        return float("inf") if self.limit_s is None else self.began_at + self.limit_s - now

    def _margin_s(self, wanted_s: float) -> float:
        return wanted_s if self.limit_s is None else min(wanted_s, self.limit_s * _LARGEST_SHARE)


def read_allocation(
    environment: Mapping[str, str], *, began_at: float, limit_s: float | None
) -> Allocation:
    """This job; `began_at` is when it began, `limit_s` its time limit."""
    return Allocation(
        job_id=environment["TMGG_JOB_ID"],
        restart=int(environment.get(RESTART_VARIABLE, "0")),
        began_at=began_at,
        limit_s=limit_s,
    )


def is_shared_with_runs(name: str) -> bool:
    """Whether the runs get this variable of the driver.

    They do not get the variables of the job's Ray: hundreds of short runs would spend their time
    connecting to it. Nor do they get variables that describe the driver as one of several tasks, or
    that count nodes and CPUs which a run shares with others.
    """
    of_the_driver = name.startswith(("RAY_", "TMGG_RAY_")) or is_of_a_step(name)
    return not of_the_driver and name not in _OF_ALL_RUNS
