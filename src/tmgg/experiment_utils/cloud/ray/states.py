"""What a job's status means, as one table.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/doc/ray.job_submission.JobStatus.html
and ray/dashboard/modules/job/common.py (JobErrorType), Ray 2.60.
"""

import logging
from typing import Any

from tmgg.experiment_utils.cloud.judging.verdict import JobPhase, JobView
from tmgg.experiment_utils.run_folder.failures import FailureKind

log = logging.getLogger(__name__)

_PHASES: dict[str, JobPhase] = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "ended",
    "FAILED": "ended",
    "STOPPED": "ended",
}
_KINDS: dict[str, FailureKind | None] = {
    "RUNTIME_ENV_SETUP_FAILURE": "environment",
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": "submission",
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": "submission",
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": "submission",
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE": "node_fail",
    # Its node is gone, or something killed it there.
    "JOB_SUPERVISOR_ACTOR_DIED": "node_fail",
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": "environment",
    # Our own entry's exit code: the run's files say more.
    "JOB_ENTRYPOINT_COMMAND_ERROR": None,
}
# What a shell says when it cannot start a program.
_NOT_STARTED = (126, 127)
_OUT_OF_MEMORY = "running low on memory"
REASON_LETTERS = 600


def view_of(job: dict[str, Any] | None, *, restarts: int = 0) -> JobView:
    """What Ray says of a job; `job` is its entry in the answer, None when Ray does not know it."""
    if job is None:
        return JobView(phase="unknown")
    status = str(job.get("status"))
    if status not in _PHASES:
        log.warning(
            "Ray reports the job state %s, which TMGG does not know; the job counts as running",
            status,
        )
    code = job.get("driver_exit_code")
    return JobView(
        phase=_PHASES.get(status, "running"),
        state=status,
        reason=_reason(job) if status != "RUNNING" else "",
        kind=_kind(status, job),
        exit_code=None if code is None else f"{code}:0" if code >= 0 else f"0:{-code}",
        restarts=restarts,
    )


def _kind(status: str, job: dict[str, Any]) -> FailureKind | None:
    if status == "STOPPED":
        return "cancelled"
    if status != "FAILED":
        return None
    if job.get("driver_exit_code") in _NOT_STARTED:
        return "environment"
    if _OUT_OF_MEMORY in str(job.get("message")):
        return "out_of_memory"
    return _KINDS.get(str(job.get("error_type")))


def _reason(job: dict[str, Any]) -> str:
    """The end of Ray's own words, on one line."""
    words = " ".join(str(job.get("message") or "").split())
    return words if len(words) <= REASON_LETTERS else f"...{words[-REASON_LETTERS:]}"
