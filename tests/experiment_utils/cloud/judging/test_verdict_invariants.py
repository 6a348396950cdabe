"""What holds for every combination of evidence, whatever is broken."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.experiment_utils.cloud.judging.evidence_cases import GRACE_S, verdict
from tmgg.experiment_utils.cloud.judging.verdict import JobView, is_missing
from tmgg.experiment_utils.run_folder.evidence import Evidence
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord
from tmgg.experiment_utils.run_folder.failures import FAILURE_KINDS, failure
from tmgg.experiment_utils.run_folder.task import TaskOutput

restarts = st.integers(0, 2)
ages_s = st.sampled_from([0.0, 1.0, GRACE_S - 1, GRACE_S, GRACE_S + 1, 1e9])
results = st.builds(
    TaskOutput,
    run_id=st.just("run"),
    status=st.sampled_from(["completed", "failed", "timeout", "stopped"]),
    stop_reason=st.sampled_from([None, "time_limit", "preemption", "terminated"]),
    restart=restarts,
    stage=st.sampled_from([None, "load", "ray", "run", "result"]),
    error_type=st.sampled_from([None, "MemoryError", "ModuleNotFoundError"]),
)
records = st.builds(
    ExitRecord,
    job_id=st.just("77"),
    restart=restarts,
    stage=st.sampled_from(["setup", "preflight", "ray", "entrypoint", "cancelled", "?"]),
    signal=st.sampled_from(["", "TERM", "USR2"]),
    exit_code=st.sampled_from([0, 1, 71, 97, 137, 143]),
    entrypoint_exit_code=st.sampled_from([None, 0, 1]),
    age_s=ages_s,
    scope=st.sampled_from(["job", "run"]),
    failure=st.none() | st.just(failure("timeout", "The allocation's time is over.")),
)
evidences = st.builds(
    Evidence,
    run_id=st.just("run"),
    first_attempt=st.integers(1, 3),
    job_id=st.sampled_from([None, "77"]),
    claimed=st.booleans(),
    result=st.none() | results,
    result_problem=st.sampled_from([None, "it is cut"]),
    exit_record=st.none() | records,
    last_start=restarts,
    backend_restarts=restarts,
    cancel_requested=st.booleans(),
    forbidden=st.booleans(),
    shares_job=st.booleans(),
    job_record=st.none() | records,
    missing_since_s=st.none() | ages_s,
)
views = st.builds(
    JobView,
    phase=st.sampled_from(["pending", "running", "ended", "unknown"]),
    state=st.sampled_from(["", "RUNNING", "COMPLETED", "FAILED"]),
    kind=st.none() | st.sampled_from(FAILURE_KINDS),
    exit_code=st.sampled_from([None, "0:0", "1:0", "0:9"]),
    restarts=st.none() | restarts,
    settled=st.booleans(),
)
answers = st.none() | views


def current_restart(evidence: Evidence, view: JobView | None) -> int:
    known = [evidence.last_start, evidence.backend_restarts]
    known += [view.restarts] if view is not None and view.restarts is not None else []
    known += [item.restart for item in (evidence.result, evidence.exit_record) if item]
    return max(known)


def ended_by_itself(evidence: Evidence) -> bool:
    """Its record says so, and the result of that very start is there, or none will come.

    No later start of the job changes that, unless one has begun: the job script then does nothing.
    """
    record, result = evidence.exit_record, evidence.result
    if record is None or record.signal or record.restart < evidence.last_start:
        return False
    if result is not None and record.restart == result.restart:
        return True
    return record.scope == "run" and record.entrypoint_exit_code is None


@given(evidences, answers)
def test_completed_needs_a_completed_result_of_the_start_that_counts(
    evidence: Evidence, view: JobView | None
) -> None:
    if verdict(evidence, view).status == "completed":
        assert evidence.result is not None
        assert evidence.result.status == "completed"
        current = evidence.result.restart == current_restart(evidence, view)
        assert current or ended_by_itself(evidence)


@given(evidences, answers)
def test_a_completed_runs_attempt_is_the_one_that_wrote_its_result(
    evidence: Evidence, view: JobView | None
) -> None:
    state = verdict(evidence, view)
    if state.status == "completed":
        assert evidence.result is not None
        assert state.attempt == evidence.first_attempt + evidence.result.restart


@given(evidences, answers)
def test_a_state_is_final_exactly_when_it_is_completed_or_failed(
    evidence: Evidence, view: JobView | None
) -> None:
    state = verdict(evidence, view)
    assert state.final == (state.status in ("completed", "failed"))
    assert (state.failure is not None) == (state.status == "failed")
    if state.failure is not None:
        assert state.failure.kind in FAILURE_KINDS
        assert state.failure.message
        assert state.failure.hint


def cancelled_unused(evidence: Evidence, view: JobView | None) -> bool:
    record = evidence.exit_record
    if record is None or record.restart != current_restart(evidence, view):
        return evidence.shares_job and evidence.forbidden and evidence.cancel_requested
    return record.stage == "cancelled"


def its_last_words_will_do(evidence: Evidence, view: JobView | None) -> bool:
    """Of a run that ended long ago within a job that goes on."""
    record = evidence.exit_record
    return (
        record is not None
        and record.scope == "run"
        and not record.signal
        and record.age_s >= GRACE_S
        and record.restart == current_restart(evidence, view)
    )


@given(evidences, views)
def test_a_job_that_waits_or_runs_is_not_over_unless_it_said_so_itself(
    evidence: Evidence, view: JobView
) -> None:
    if view.phase in ("pending", "running") and not cancelled_unused(evidence, view):
        over = ended_by_itself(evidence) or its_last_words_will_do(evidence, view)
        assert verdict(evidence, view).final == over


@given(evidences)
def test_no_answer_ends_nothing_but_what_its_own_record_ends(evidence: Evidence) -> None:
    record = evidence.exit_record
    if verdict(evidence, None).final and not cancelled_unused(evidence, None):
        assert record is not None
        late = record.age_s >= GRACE_S and not record.signal
        assert ended_by_itself(evidence) or late


@given(evidences, views, st.sampled_from([GRACE_S, GRACE_S + 1, 1e9]))
def test_what_has_ended_or_is_unknown_is_final_once_the_grace_is_over(
    evidence: Evidence, view: JobView, missing_s: float
) -> None:
    if view.phase in ("ended", "unknown"):
        assert verdict(replace(evidence, missing_since_s=missing_s), view).final


@given(evidences, views)
def test_whatever_keeps_an_ended_job_open_is_counted_as_missing(
    evidence: Evidence, view: JobView
) -> None:
    """Else the grace would never begin and the run would be open for ever."""
    if view.phase in ("ended", "unknown") and not verdict(evidence, view).final:
        assert is_missing(evidence, view)


@given(evidences, views, restarts)
def test_what_an_earlier_start_left_changes_nothing_unless_it_ended_by_itself(
    evidence: Evidence, view: JobView, earlier: int
) -> None:
    view = replace(view, restarts=earlier + 1)
    bare = replace(evidence, result=None, exit_record=None)
    stale = replace(
        bare,
        result=evidence.result and replace(evidence.result, restart=earlier),
        exit_record=evidence.exit_record and replace(evidence.exit_record, restart=earlier),
    )
    assume(not ended_by_itself(stale))
    assert verdict(stale, view) == verdict(bare, view)


@given(evidences, answers)
def test_a_final_state_stays_when_the_backend_then_forgets_the_job(
    evidence: Evidence, view: JobView | None
) -> None:
    """Not needed by TMGG, which keeps the verdict; but another process may judge a second later."""
    state = verdict(evidence, view)
    if state.status == "completed" and view is not None and view.phase == "ended":
        after = replace(evidence, missing_since_s=GRACE_S)
        forgotten = JobView(phase="unknown", restarts=view.restarts)
        assert verdict(after, forgotten).status == "completed"


@given(evidences, answers)
def test_only_a_failed_run_whose_state_is_saved_and_that_nobody_ended_is_to_go_on(
    evidence: Evidence, view: JobView | None
) -> None:
    state = verdict(evidence, view)
    if not state.resumable:
        return
    assert state.final
    assert state.failure is not None
    assert state.failure.kind in ("timeout", "preempted", "node_fail")
    assert evidence.result is not None
    assert evidence.result.status == "stopped"
    assert evidence.result.restart == current_restart(evidence, view)
