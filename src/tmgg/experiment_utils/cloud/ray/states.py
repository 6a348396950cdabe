"""A table of what the status of a Ray job means.

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
    # The node of the job was lost, or the job was killed there.
    "JOB_SUPERVISOR_ACTOR_DIED": "node_fail",
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": "environment",
    # The exit code of `entry.py`; the run's files say more about the failure.
    "JOB_ENTRYPOINT_COMMAND_ERROR": None,
}
# The exit codes of a shell that cannot start a program.
_NOT_STARTED = (126, 127)
_OUT_OF_MEMORY = "running low on memory"
REASON_LETTERS = 600


def view_of(job: dict[str, Any] | None, *, restarts: int = 0) -> JobView:
    """The view of a job from its entry in Ray's answer; `job` is None if Ray does not know it."""
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
    """Ray's message on one line; only its end if it is long."""
    words = " ".join(str(job.get("message") or "").split())
    return words if len(words) <= REASON_LETTERS else f"...{words[-REASON_LETTERS:]}"
