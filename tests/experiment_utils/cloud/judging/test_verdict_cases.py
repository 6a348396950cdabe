"""How a run stands, case by case; each name says what was seen and what follows."""

from dataclasses import replace

import pytest

from tests.experiment_utils.cloud.judging.evidence_cases import (
    CANCELLED,
    COMPLETED,
    COMPLETING,
    FAILED,
    GRACE_S,
    PENDING,
    RUNNING,
    TIMEOUT,
    UNKNOWN,
    evidence,
    record,
    result,
    verdict,
)
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.run_folder.evidence import Evidence

LATE = GRACE_S + 1
LINE = {"claimed": True, "result": result(), "result_is_line": True}
# Last words of a job script whose experiment published nothing.
UNPUBLISHED = record(entrypoint_exit_code=None)
# Those of a start whose job had begun again elsewhere.
SUPERSEDED = record(exit_code=77, entrypoint_exit_code=None)
TOLD_TO_END = result("failed", error_type="SystemExit", error_message="15")
OPEN: dict[str, tuple[Evidence, JobView | None, str]] = {
    "queued": (evidence(), PENDING, "pending"),
    "in the queue again after a restart": (
        evidence(claimed=True, result=result(), exit_record=record(signal="TERM")),
        replace(PENDING, restarts=1),
        "pending",
    ),
    "begun": (evidence(claimed=True), RUNNING, "running"),
    "ended, the line of its result cut so far": (
        evidence(claimed=True, result_problem="the line is not JSON", exit_record=record()),
        COMPLETED,
        "running",
    ),
    "no longer known, its result still on its way": (
        evidence(claimed=True, exit_record=record(entrypoint_exit_code=0)),
        UNKNOWN,
        "running",
    ),
    "begun, its claim not yet seen": (evidence(), RUNNING, "running"),
    "on its way out, its record not yet seen": (
        evidence(claimed=True, result=result()),
        COMPLETING,
        "running",
    ),
    "running, although something was missing long ago": (
        evidence(claimed=True, missing_since_s=LATE),
        RUNNING,
        "running",
    ),
    "not yet known to the backend": (evidence(), UNKNOWN, "pending"),
    "no longer known, but it had begun": (evidence(claimed=True), UNKNOWN, "running"),
    "no source has it, but it had begun": (
        evidence(claimed=True),
        replace(UNKNOWN, kind="cancelled", never_began=True),
        "running",
    ),
    "no longer known for less than the grace": (
        evidence(claimed=True, missing_since_s=GRACE_S - 1),
        UNKNOWN,
        "running",
    ),
    "ended, its result still on its way": (
        evidence(claimed=True, exit_record=record(entrypoint_exit_code=0)),
        COMPLETED,
        "running",
    ),
    "ended, nothing of it seen yet": (evidence(claimed=True), COMPLETED, "running"),
    "failed, in an answer that is known to be corrected": (
        evidence(claimed=True, exit_record=record(entrypoint_exit_code=None)),
        replace(FAILED, exit_code="0:0", settled=False),
        "running",
    ),
    "no answer, nothing seen": (evidence(), None, "pending"),
    "no answer, it had begun": (evidence(claimed=True), None, "running"),
    "no answer, a result but no end": (evidence(claimed=True, result=result()), None, "running"),
    "no answer, it ended just now without a result": (
        evidence(claimed=True, exit_record=record(entrypoint_exit_code=None, age_s=GRACE_S - 1)),
        None,
        "running",
    ),
    "no answer, it was asked to end and may be queued again": (
        evidence(claimed=True, exit_record=record(signal="TERM", age_s=LATE)),
        None,
        "running",
    ),
    "no answer, however long something has been missing": (
        evidence(claimed=True, missing_since_s=LATE),
        None,
        "running",
    ),
    "a result of an earlier start that was asked to end, the job running again": (
        evidence(claimed=True, result=result(), exit_record=record(signal="TERM")),
        replace(RUNNING, restarts=1),
        "running",
    ),
    "a result of an earlier start, the job running again": (
        evidence(claimed=True, result=result()),
        replace(RUNNING, restarts=1),
        "running",
    ),
    "an earlier start of a run within its job said late how it ended": (
        evidence(claimed=True, last_start=1, exit_record=replace(SUPERSEDED, scope="run")),
        RUNNING,
        "running",
    ),
    "no answer, an earlier start said late how it ended": (
        evidence(claimed=True, last_start=1, exit_record=replace(SUPERSEDED, age_s=LATE)),
        None,
        "running",
    ),
    "an earlier start left its result late, and said that it ended": (
        evidence(claimed=True, last_start=1, result=result(), exit_record=record(age_s=LATE)),
        None,
        "running",
    ),
    "no answer, it ended by itself, and was put back into the queue when there was an answer": (
        evidence(
            claimed=True,
            backend_restarts=1,
            exit_record=record(exit_code=9, entrypoint_exit_code=None, age_s=LATE),
        ),
        None,
        "running",
    ),
}
COMPLETE: dict[str, tuple[Evidence, JobView | None]] = {
    "result and record, whatever the backend": (
        evidence(claimed=True, result=result(), exit_record=record()),
        None,
    ),
    "result and record, the backend a step behind": (
        evidence(claimed=True, result=result(), exit_record=record()),
        COMPLETING,
    ),
    "result, the backend says ended": (evidence(claimed=True, result=result()), COMPLETED),
    "result, though the time limit came while Ray was ending": (
        evidence(claimed=True, result=result()),
        TIMEOUT,
    ),
    "result, though srun ended with 137": (
        evidence(claimed=True, result=result()),
        replace(FAILED, exit_code="137:0"),
    ),
    "result, asked to end too late": (
        evidence(
            claimed=True,
            result=result(),
            exit_record=record(signal="TERM", exit_code=143),
            cancel_requested=True,
        ),
        CANCELLED,
    ),
    "result, exit code 0": (
        evidence(claimed=True, result=result(), exit_record=record()),
        COMPLETED,
    ),
    "a line, by an experiment that could not write the file": (
        evidence(**LINE, exit_record=record(exit_code=74, entrypoint_exit_code=None)),
        replace(FAILED, exit_code="74:0"),
    ),
    "a line, the file was lost after the job had ended": (
        evidence(**LINE, exit_record=record()),
        COMPLETED,
    ),
    "a line, neither file nor record could be written": (
        evidence(**LINE),
        replace(FAILED, exit_code="74:0"),
    ),
    "a line, published before the job script was sent TERM": (
        evidence(**LINE, exit_record=record(signal="TERM", exit_code=143)),
        CANCELLED,
    ),
    "result, the job forgotten by all": (
        evidence(claimed=True, result=result(), missing_since_s=LATE),
        UNKNOWN,
    ),
    "an earlier start ended by itself: started again, the job does nothing": (
        evidence(claimed=True, result=result(), exit_record=record()),
        replace(RUNNING, restarts=1),
    ),
    "result and record of the second start, no answer": (
        evidence(
            claimed=True, last_start=1, result=result(restart=1), exit_record=record(restart=1)
        ),
        None,
    ),
    "it had ended by itself, then was put back into the queue": (
        evidence(claimed=True, backend_restarts=1, result=result(), exit_record=record()),
        None,
    ),
    "result of the second start": (
        evidence(claimed=True, result=result(restart=1), exit_record=record(restart=1)),
        replace(COMPLETED, restarts=1),
    ),
}
FAILURES: dict[str, tuple[Evidence, JobView | None, str, str]] = {
    "the experiment raised": (
        evidence(
            claimed=True,
            result=result("failed"),
            exit_record=record(exit_code=1, entrypoint_exit_code=1),
        ),
        FAILED,
        "user_error",
        "ValueError: the loss is purple",
    ),
    "COMPLETED without a result": (
        evidence(
            claimed=True,
            exit_record=record(stage="ray", exit_code=97, entrypoint_exit_code=None),
        ),
        COMPLETED,
        "ray_start",
        "Ray did not start the experiment",
    ),
    "COMPLETED, and nothing came for the grace": (
        evidence(claimed=True, missing_since_s=LATE),
        COMPLETED,
        "lost",
        "without leaving a result or an exit record",
    ),
    "COMPLETED, and it never began": (evidence(), COMPLETED, "lost", "state COMPLETED"),
    "a damaged result, still damaged after the grace": (
        evidence(
            claimed=True,
            missing_since_s=LATE,
            result_problem="/x/result.json is not JSON",
            exit_record=record(entrypoint_exit_code=0),
        ),
        COMPLETED,
        "bad_result",
        "/x/result.json is not JSON",
    ),
    "a setup command failed": (
        evidence(
            claimed=True,
            exit_record=record(stage="setup", exit_code=71, entrypoint_exit_code=None),
        ),
        FAILED,
        "environment",
        "A setup command ended the job",
    ),
    "the job script was killed": (
        evidence(claimed=True),
        replace(FAILED, exit_code="0:9"),
        "lost",
        "exit code 0:9",
    ),
    "the job script was killed, and the experiment told to end": (
        evidence(
            claimed=True, result=result("failed", error_type="SystemExit", error_message="15")
        ),
        replace(FAILED, exit_code="0:9"),
        "lost",
        "The job script was killed (exit code 0:9)",
    ),
    "the experiment ended itself with SIGTERM": (
        evidence(
            claimed=True,
            result=result("failed", error_type="SystemExit", error_message="15"),
            exit_record=record(exit_code=1, entrypoint_exit_code=1),
        ),
        FAILED,
        "user_error",
        "SystemExit",
    ),
    "the experiment raised, and its job script was killed after that": (
        evidence(claimed=True, result=result("failed")),
        replace(FAILED, exit_code="0:9"),
        "user_error",
        "ValueError",
    ),
    "the time limit": (evidence(claimed=True), TIMEOUT, "timeout", "TIMEOUT"),
    "its own time-out": (
        evidence(claimed=True, result=result("timeout"), exit_record=record(exit_code=1)),
        FAILED,
        "timeout",
        "timeout_seconds is over",
    ),
    "cancelled by somebody": (evidence(), CANCELLED, "cancelled", "CANCELLED"),
    "cancelled with TMGG": (
        evidence(claimed=True, cancel_requested=True),
        CANCELLED,
        "cancelled",
        "cancelled with TMGG",
    ),
    "cancelled before it began": (
        evidence(claimed=True, exit_record=record(stage="cancelled", entrypoint_exit_code=None)),
        COMPLETED,
        "cancelled",
        "before it began",
    ),
    "cancelled before it began, no answer": (
        evidence(claimed=True, exit_record=record(stage="cancelled", entrypoint_exit_code=None)),
        None,
        "cancelled",
        "before it began",
    ),
    "a time limit is no cancellation": (
        evidence(claimed=True, cancel_requested=True),
        TIMEOUT,
        "timeout",
        "TIMEOUT",
    ),
    "forgotten by all, without a trace": (
        evidence(claimed=True, missing_since_s=LATE),
        UNKNOWN,
        "lost",
        "Nobody knows job 77",
    ),
    "an element of an array that no source has": (
        evidence(),
        replace(UNKNOWN, state="CANCELLED", kind="cancelled", never_began=True),
        "cancelled",
        "CANCELLED",
    ),
    "never known to anybody": (evidence(missing_since_s=LATE), UNKNOWN, "lost", "Nobody knows"),
    "forgotten by all, but it left its record": (
        evidence(claimed=True, exit_record=record(exit_code=9, entrypoint_exit_code=None)),
        UNKNOWN,
        "user_error",
        "process died",
    ),
    "no answer for the grace, but it left its record": (
        evidence(
            claimed=True, exit_record=record(exit_code=9, entrypoint_exit_code=None, age_s=LATE)
        ),
        None,
        "user_error",
        "process died",
    ),
    "killed, the record of an earlier start is not this one's": (
        evidence(
            claimed=True,
            result=result(),
            exit_record=record(signal="TERM"),
            missing_since_s=LATE,
        ),
        replace(FAILED, exit_code="0:9", restarts=1),
        "lost",
        "exit code 0:9",
    ),
    "a line, then SIGKILL to the experiment": (
        evidence(**LINE, exit_record=replace(UNPUBLISHED, exit_code=137)),
        replace(FAILED, exit_code="137:0"),
        "user_error",
        "killed by SIGKILL",
    ),
    "a line, then SIGKILL to the job script": (
        evidence(**LINE),
        replace(FAILED, exit_code="0:9"),
        "lost",
        "exit code 0:9",
    ),
    "a line, then the time limit, for which Slurm has exit code 0": (
        evidence(**LINE),
        replace(TIMEOUT, exit_code="0:0"),
        "timeout",
        "TIMEOUT",
    ),
    "a line, then TERM, and the job is forgotten by all": (
        evidence(**LINE, exit_record=replace(UNPUBLISHED, signal="TERM", exit_code=143)),
        UNKNOWN,
        "cancelled",
        "SIGTERM",
    ),
    **{
        f"{name} to the batch script": (
            evidence(claimed=True, exit_record=replace(UNPUBLISHED, signal=name, exit_code=code)),
            replace(FAILED, exit_code=f"{code}:0"),
            "cancelled",
            f"SIG{name}",
        )
        for name, code in {"USR1": 138, "HUP": 129, "INT": 130, "TERM": 143}.items()
    },
    "USR1 to the batch script, and Slurm then told the experiment to end": (
        evidence(
            claimed=True,
            result=TOLD_TO_END,
            exit_record=record(signal="USR1", exit_code=138, entrypoint_exit_code=1),
        ),
        replace(FAILED, exit_code="138:0"),
        "cancelled",
        "SIGUSR1",
    ),
    "the experiment raised before HUP came to the batch script": (
        evidence(
            claimed=True,
            result=result("failed"),
            exit_record=record(signal="HUP", exit_code=129, entrypoint_exit_code=1),
        ),
        replace(FAILED, exit_code="129:0"),
        "user_error",
        "ValueError",
    ),
    "preempted for good": (
        evidence(claimed=True, exit_record=record(signal="TERM", entrypoint_exit_code=None)),
        JobView(phase="ended", state="PREEMPTED", kind="preempted"),
        "preempted",
        "PREEMPTED",
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_the_run_is_still_open(name: str) -> None:
    found, view, status = OPEN[name]
    state = verdict(found, view)
    assert (state.final, state.status, state.failure) == (False, status, None)


@pytest.mark.parametrize("name", COMPLETE)
def test_the_run_is_complete(name: str) -> None:
    found, view = COMPLETE[name]
    state = verdict(found, view)
    assert (state.final, state.status, state.failure) == (True, "completed", None)


@pytest.mark.parametrize("name", FAILURES)
def test_the_run_has_failed(name: str) -> None:
    found, view, kind, words = FAILURES[name]
    state = verdict(found, view)
    assert (state.final, state.status) == (True, "failed")
    assert state.failure is not None
    assert state.failure.kind == kind
    assert words in state.failure.message
    assert state.failure.hint


def test_the_logs_tell_why_where_the_state_does_not() -> None:
    found = evidence(claimed=True, exit_record=record(exit_code=1, entrypoint_exit_code=None))
    logs = LogTails(stderr="slurmstepd-node1: error: Detected 1 oom-kill event(s) in StepId=7.0\n")
    state = verdict(found, FAILED, logs)
    assert state.failure is not None
    assert state.failure.kind == "out_of_memory"
    assert "Detected 1 oom-kill" in state.failure.message


def test_slurms_words_tell_of_a_term_that_slurm_sent() -> None:
    found = evidence(
        claimed=True, exit_record=replace(UNPUBLISHED, signal="TERM", exit_code=143, age_s=LATE)
    )
    words = "slurmstepd-node1: error: *** JOB 77 ON node1 CANCELLED AT now DUE TO TIME LIMIT ***"
    state = verdict(replace(found, missing_since_s=LATE), UNKNOWN, LogTails(stderr=words))
    assert state.failure is not None
    assert state.failure.kind == "timeout"


def test_attempts_count_submissions_and_restarts() -> None:
    assert verdict(evidence(), PENDING).attempt == 1
    assert verdict(evidence(first_attempt=3), PENDING).attempt == 3
    assert verdict(evidence(first_attempt=3), replace(RUNNING, restarts=2)).attempt == 5
    found = evidence(claimed=True, result=result(restart=4), exit_record=record(restart=4))
    assert verdict(found, None).attempt == 5


@pytest.mark.parametrize("scope", ["job", "run"])
@pytest.mark.parametrize("view", [None, RUNNING, replace(RUNNING, restarts=1), PENDING])
@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1)])
def test_a_start_of_the_job_after_the_runs_own_end_is_no_attempt(
    status: str, code: int, view: JobView | None, scope: str
) -> None:
    """What a call returned or raised is found by the attempt that left it."""
    ended = record(exit_code=code, entrypoint_exit_code=code, scope=scope)
    found = evidence(claimed=True, backend_restarts=1, result=result(status), exit_record=ended)
    state = verdict(replace(found, shares_job=scope == "run"), view)
    assert (state.status, state.final, state.attempt) == (status, True, 1)


def test_the_backends_own_words_are_kept() -> None:
    view = replace(PENDING, estimated_start="2026-11-23T23:55:13", nodes="node1")
    state = verdict(evidence(), view)
    assert (state.backend_state, state.reason) == ("PENDING", "Resources")
    assert (state.estimated_start, state.nodes, state.job_id) == (
        "2026-11-23T23:55:13",
        "node1",
        "77",
    )


def test_a_silent_backend_is_noted() -> None:
    assert "does not say how its job is" in verdict(evidence(claimed=True), None).note


STOPPED = result("stopped", stop_reason="time_limit", error_type=None, error_message="at step 7")
WENT_BACK = record(signal="USR2", exit_code=85, entrypoint_exit_code=85)
SENT_BACK_FAILED = replace(FAILED, exit_code="85:0")


def test_a_job_that_went_back_into_the_queue_is_pending() -> None:
    saved = evidence(claimed=True, result=STOPPED, exit_record=WENT_BACK)
    assert verdict(saved, replace(PENDING, restarts=1)).status == "pending"
    assert verdict(saved, COMPLETING).status == "running"
    assert not verdict(saved, None).final


def test_a_job_that_could_not_go_back_is_to_be_submitted_again() -> None:
    state = verdict(evidence(claimed=True, result=STOPPED, exit_record=WENT_BACK), SENT_BACK_FAILED)
    assert (state.status, state.resumable) == ("failed", True)
    assert state.failure is not None
    assert state.failure.kind == "timeout"
    assert "saved its state and ended because its time limit was near" in state.failure.message
    assert "tmgg-jobs retry goes on from there" in state.failure.hint


def test_a_job_that_slurm_ended_after_it_saved_its_state_is_to_be_submitted_again() -> None:
    preempted = JobView(phase="ended", state="PREEMPTED", kind="preempted", restarts=0)
    stopped = replace(STOPPED, stop_reason="terminated")
    saved = evidence(claimed=True, result=stopped, exit_record=record(signal="TERM"))
    state = verdict(saved, preempted)
    assert state.resumable
    assert state.failure is not None
    assert "PREEMPTED; its state was saved before (at step 7)" in state.failure.message


@pytest.mark.parametrize(
    ("found", "view"),
    [
        (evidence(result=replace(STOPPED, stop_reason="terminated")), FAILED),
        (evidence(result=STOPPED, cancel_requested=True), FAILED),
        (evidence(result=STOPPED, exit_record=record(signal="TERM")), CANCELLED),
    ],
)
def test_what_somebody_ended_is_not_submitted_again(found: Evidence, view: JobView) -> None:
    state = verdict(found, view)
    assert (state.status, state.resumable) == ("failed", False)
    assert state.failure is not None
    assert state.failure.kind == "cancelled"


@pytest.mark.parametrize("prefix", ["slurmstepd-node1: ", "[2026-11-28T13:31:31.007] "])
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("2026-11-28T13:31:31 DUE TO TIME LIMIT", "timeout"),
        ("2026-11-28T13:31:31 DUE TO PREEMPTION", "preempted"),
        ("2026-11-28T13:31:31 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS", "node_fail"),
        ("2026-11-28T13:31:31", "cancelled"),
        ("2026-11-28T13:31:31 DUE to SIGNAL Terminated", "cancelled"),
    ],
)
def test_slurms_own_lines_are_read_in_the_form_of_every_release(
    prefix: str, words: str, kind: str
) -> None:
    logs = LogTails(stderr=f"{prefix}error: *** JOB 50 ON node1 CANCELLED AT {words} ***\n")
    assert diagnose_exit(None, None, "", logs).kind == kind
