"""Builders of evidence for the tests of the verdict: small, with everything unsaid left normal."""

from typing import Any

from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails
from tmgg.experiment_utils.cloud.judging.verdict import JobView, reach_verdict
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.run_folder.evidence import Evidence
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord
from tmgg.experiment_utils.run_folder.task import TaskOutput

GRACE_S = 60.0


def evidence(**values: Any) -> Evidence:
    """Of a job that was submitted and has not begun."""
    return Evidence(
        **{
            "run_id": "run",
            "first_attempt": 1,
            "job_id": "77",
            "claimed": False,
            "result": None,
            "result_problem": None,
            "exit_record": None,
            "cancel_requested": False,
            "missing_since_s": None,
            **values,
        }
    )


def result(status: str = "completed", **values: Any) -> TaskOutput:
    """What the experiment wrote."""
    if status != "completed":
        values = {"error_type": "ValueError", "error_message": "the loss is purple", **values}
    return TaskOutput(run_id="run", status=status, **values)  # type: ignore[arg-type]


def record(**values: Any) -> ExitRecord:
    """The job's own last words, written a second ago by a job that ended by itself."""
    return ExitRecord(
        **{
            "job_id": "77",
            "restart": 0,
            "stage": "entrypoint",
            "signal": "",
            "exit_code": 0,
            "entrypoint_exit_code": 0,
            "age_s": 1.0,
            **values,
        }
    )


PENDING = JobView(phase="pending", state="PENDING", reason="Resources", restarts=0)
RUNNING = JobView(phase="running", state="RUNNING", restarts=0)
COMPLETING = JobView(phase="running", state="COMPLETING", restarts=0)
COMPLETED = JobView(phase="ended", state="COMPLETED", exit_code="0:0", restarts=0)
FAILED = JobView(phase="ended", state="FAILED", exit_code="1:0", restarts=0)
TIMEOUT = JobView(phase="ended", state="TIMEOUT", kind="timeout", restarts=0)
CANCELLED = JobView(phase="ended", state="CANCELLED", kind="cancelled", restarts=0)
UNKNOWN = JobView(phase="unknown")


def verdict(found: Evidence, view: JobView | None, logs: LogTails | None = None) -> RunState:
    """The verdict with the usual grace."""
    return reach_verdict(found, view, logs or LogTails(), grace_s=GRACE_S)
