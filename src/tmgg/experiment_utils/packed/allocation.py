"""What a packed batch knows of the job it runs in, from the job's environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Before the allocation's end no run is started any more, and those that run are told to stop ...
_STOP_BEFORE_S = 60.0
# ... and then they are ended.
_END_BEFORE_S = 30.0
# A short allocation spends at most this share of its time on its end.
_LARGEST_SHARE = 0.2

_OF_A_TASK = re.compile(
    r"SLURM_(NTASKS|NPROCS|TASKS_PER_NODE|NTASKS_PER_NODE|NNODES|JOB_NUM_NODES|PROCID|LOCALID|NODEID"
    r"|GTIDS|TASK_PID|STEPID|STEP_\w+|CPUS_PER_TASK|SRUN_COMM_\w+|LAUNCH_NODE_IPADDR)"
)


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
        restart=int(environment.get("TMGG_RESTART", "0")),
        began_at=began_at,
        limit_s=limit_s,
    )


def is_shared_with_runs(name: str) -> bool:
    """Whether the runs have this variable of the driver's.

    Not what leads to the job's Ray: a run has none of its own, since hundreds of short runs would
    spend their time connecting. Nor what describes the driver as one of several tasks: Lightning,
    for one, would take its rank and the number of nodes from there.
    """
    return not name.startswith(("RAY_", "TMGG_RAY_")) and not _OF_A_TASK.fullmatch(name)
