"""What a packed batch knows of the job it runs in, from the job's environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from tmgg.experiment_utils.job.job_environment import RESTART_VARIABLE
from tmgg.experiment_utils.job.slurm_step import is_of_a_step

# Before the allocation's end no run is started any more, and those that run are told to stop ...
_STOP_BEFORE_S = 60.0
# ... and then they are ended.
_END_BEFORE_S = 30.0
# A short allocation spends at most this share of its time on its end.
_LARGEST_SHARE = 0.2

# A run has its share of one of them.
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
    """None when it has no end."""

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
    """This job, which began `began_at` unless the scheduler says otherwise."""
    return Allocation(
        job_id=environment["TMGG_JOB_ID"],
        restart=int(environment.get(RESTART_VARIABLE, "0")),
        began_at=began_at,
        limit_s=limit_s,
    )


def is_shared_with_runs(name: str) -> bool:
    """Whether the runs have this variable of the driver's.

    Not what leads to the job's Ray: a run has none of its own, since hundreds of short runs would
    spend their time connecting. Nor what describes the driver as one of several tasks, or tells of
    nodes and CPUs that the run shares with others.
    """
    of_the_driver = name.startswith(("RAY_", "TMGG_RAY_")) or is_of_a_step(name)
    return not of_the_driver and name not in _OF_ALL_RUNS
