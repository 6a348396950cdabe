"""How runs stand that share their job with others; each name says what follows from what."""

from dataclasses import replace

import pytest

from tests.experiment_utils.cloud.judging.evidence_cases import (
    CANCELLED,
    COMPLETED,
    FAILED,
    GRACE_S,
    PENDING,
    RUNNING,
    TIMEOUT,
    evidence,
    record,
    result,
    verdict,
)
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.run_folder.evidence import Evidence
from tmgg.experiment_utils.run_folder.failures import failure

WAITING = evidence(shares_job=True)
BEGUN = evidence(shares_job=True, claimed=True)
NODE_FAIL = JobView(phase="ended", state="NODE_FAIL", kind="node_fail", restarts=0)
CRASHED = record(scope="run", entrypoint_exit_code=None, exit_code=139, host="node2")


def test_a_run_waits_for_its_turn_in_a_job_that_runs() -> None:
    state = verdict(WAITING, RUNNING)
    assert (state.status, state.reason) == ("pending", "waits for its turn in its job")
    assert verdict(BEGUN, RUNNING).status == "running"
    assert verdict(WAITING, PENDING).status == "pending"


def test_a_run_that_crashed_has_ended_although_its_job_runs() -> None:
    state = verdict(replace(BEGUN, exit_record=CRASHED), RUNNING)
    assert state.final
    assert state.failure is not None
    assert state.failure.kind == "user_error"
    assert "SIGSEGV" in state.failure.message
    assert (state.exit_code, state.nodes, state.backend_state) == ("139:0", "node2", "")


def test_a_run_that_left_a_result_has_ended_although_its_job_runs() -> None:
    found = replace(BEGUN, exit_record=record(scope="run"), result=result())
    assert verdict(found, RUNNING).status == "completed"
    assert verdict(found, None).status == "completed"


def test_a_result_that_is_on_its_way_is_waited_for_as_long_as_the_grace() -> None:
    found = replace(BEGUN, exit_record=record(scope="run", entrypoint_exit_code=0))
    state = verdict(found, RUNNING)
    assert (state.final, state.status, state.answered) == (False, "running", True)
    late = record(scope="run", entrypoint_exit_code=0, age_s=GRACE_S)
    state = verdict(replace(found, exit_record=late), RUNNING)
    assert state.failure is not None
    assert state.failure.kind == "bad_result"


def test_what_the_supervisor_knew_is_why_it_failed() -> None:
    why = failure("out_of_memory", "The kernel killed it.")
    killed = record(scope="run", entrypoint_exit_code=None, exit_code=137, failure=why)
    assert verdict(replace(BEGUN, exit_record=killed), RUNNING).failure == why


def test_a_result_counts_for_more_than_that_the_time_was_over() -> None:
    ended = record(scope="run", failure=failure("timeout", "The allocation's time is over."))
    found = replace(BEGUN, exit_record=ended, result=result())
    assert verdict(found, RUNNING).status == "completed"


def test_a_run_that_was_cancelled_within_its_job() -> None:
    found = replace(BEGUN, exit_record=replace(CRASHED, exit_code=143), cancel_requested=True)
    state = verdict(found, RUNNING)
    assert state.failure is not None
    assert state.failure.kind == "cancelled"


def test_a_run_that_was_cancelled_before_its_turn_need_not_wait_for_its_job() -> None:
    cancelled = replace(WAITING, cancel_requested=True, forbidden=True)
    for view in (PENDING, RUNNING, None):
        state = verdict(cancelled, view)
        assert state.failure is not None
        assert state.failure.kind == "cancelled"


def test_a_run_that_was_asked_to_end_with_its_job_waits_for_the_jobs_end() -> None:
    told = record(scope="run", signal="TERM", entrypoint_exit_code=None)
    found = replace(BEGUN, exit_record=told)
    assert verdict(found, RUNNING).status == "running"
    state = verdict(found, CANCELLED)
    assert state.failure is not None
    assert state.failure.kind == "cancelled"


@pytest.mark.parametrize(
    ("found", "view", "kind"),
    [
        (WAITING, TIMEOUT, "not_started"),
        (WAITING, CANCELLED, "cancelled"),
        (WAITING, NODE_FAIL, "node_fail"),
        (replace(WAITING, missing_since_s=GRACE_S), COMPLETED, "not_started"),
        (replace(WAITING, missing_since_s=GRACE_S), FAILED, "not_started"),
        (replace(WAITING, job_record=record()), COMPLETED, "not_started"),
        (replace(WAITING, job_record=record(stage="setup", exit_code=71)), FAILED, "environment"),
        (replace(WAITING, job_record=record(stage="ray", exit_code=75)), FAILED, "ray_start"),
    ],
)
def test_a_run_whose_job_ended_before_its_turn(found: Evidence, view: JobView, kind: str) -> None:
    state = verdict(found, view)
    assert state.failure is not None
    assert state.failure.kind == kind


def test_what_the_shared_job_printed_tells_why_no_run_began() -> None:
    logs = LogTails(stderr="tmgg: setup command failed with exit code 1: module load cuda")
    state = verdict(replace(WAITING, job_record=record(stage="setup")), FAILED, logs)
    assert state.failure is not None
    assert "module load cuda" in state.failure.message


def test_a_job_that_ended_is_given_time_to_show_what_its_runs_left() -> None:
    assert not verdict(WAITING, COMPLETED).final
