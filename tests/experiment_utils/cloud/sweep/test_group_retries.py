"""Runs that are submitted again together, once nothing of their sweep is under way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import ScriptedRunner
from tmgg.experiment_utils.cloud.runs import (
    NOT_SUBMITTED,
    ExperimentResult,
    OnUpdate,
    RunState,
    SpawnedTask,
    TaskRequest,
    run_id_of,
)
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Watch
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatched
from tmgg.experiment_utils.cloud.sweep.driver import Sweep
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges, SweepPolicy
from tmgg.experiment_utils.cloud.sweep.recorded_plan import RecordedPlan
from tmgg.experiment_utils.run_folder.failures import FailureKind, failure


class Runner(ScriptedRunner):
    """Each run ends at its next submission as the list says."""

    def __init__(self, clock: FakeClock, folder: Path, ends: dict[str, list[str]]) -> None:
        super().__init__(clock, folder)
        self.ends = ends

    def start(self, run_id: str) -> None:
        end = self.ends[run_id].pop(0) if self.ends.get(run_id) else "completed"
        outcome = "completed" if end == "completed" else "failed"
        # What does not begin is told of first.
        self.begin(run_id, outcome=outcome, duration_s=5.0 if end == "not_started" else 10.0)
        self.kinds[run_id] = None if end == "completed" else end  # type: ignore[assignment]

    kinds: dict[str, FailureKind | None]

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        return [self._with_kind(state) for state in super().poll(run_ids)]

    def _with_kind(self, state: RunState) -> RunState:
        kind = self.kinds[state.run_id] if state.final else None
        why = None if kind is None else failure(kind, "as the test says")
        return RunState(run_id=state.run_id, status=state.status, final=state.final, failure=why)

    def collect(self, run_id: SpawnedTask | str) -> ExperimentResult:
        run_id = run_id_of(run_id)
        kind = self.kinds[run_id]
        return ExperimentResult(
            run_id=run_id,
            config={},
            status="completed" if kind is None else "failed",
            failure=None if kind is None else failure(kind, "as the test says"),
        )


@dataclass
class OneJob:
    """A dispatcher that puts all that it is given into one job."""

    runner: Runner
    jobs: list[list[str]] = field(default_factory=list)
    changes: list[RetryChanges] = field(default_factory=list)
    refuse: str = ""

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        return self._submit([str(request.run_id) for request in waiting])

    def retry(self, failed: Sequence[RunState], changes: Sequence[RetryChanges]) -> Dispatched:
        assert not any(state.status != "failed" for state in failed)
        self.changes.extend(changes)
        return self._submit([state.run_id for state in failed])

    def _submit(self, run_ids: list[str]) -> Dispatched:
        if self.jobs and self.refuse:
            return Dispatched(refused=dict.fromkeys(run_ids, self.refuse))
        self.jobs.append(run_ids)
        for run_id in run_ids:
            self.runner.start(run_id)
        return Dispatched(launched=dict.fromkeys(run_ids, "77"))


Run = Callable[..., tuple[OneJob, list[str]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Sweep runs that end as told; the dispatcher and how each ended at last."""

    def sweep(
        policy: SweepPolicy | None = None,
        *,
        refuse: str = "",
        on_update: OnUpdate | None = None,
        **ends: list[str],
    ) -> tuple[OneJob, list[str]]:
        clock = FakeClock()
        runner = Runner(clock, tmp_path, dict(ends))
        runner.kinds = {}
        dispatcher = OneJob(runner, refuse=refuse)
        plan = SweepPlan(
            sweep_id="sweep",
            mode="packed",
            parallelism=1,
            policy=policy or SweepPolicy(),
            requests=[TaskRequest(config={}, run_id=run_id) for run_id in ends],
            is_resumed=False,
        )
        recorded = RecordedPlan(plan, dispatcher)
        watch = Watch(runner, on_update=on_update, clock=clock)
        found = Sweep(runner, recorded, watch=watch, clock=clock).run()
        return dispatcher, [each.failure.kind if each.failure else each.status for each in found]

    return sweep


def test_what_did_not_begin_goes_into_another_job_together(run: Run) -> None:
    unbegun = ["not_started"]
    jobs, ended = run(a=[], b=[], c=[*unbegun], d=[*unbegun])
    assert jobs.jobs == [["a", "b", "c", "d"], ["c", "d"]]
    assert ended == ["completed"] * 4


def test_it_goes_on_as_long_as_each_job_gets_the_sweep_on(run: Run) -> None:
    jobs, ended = run(a=[], b=["not_started"], c=["not_started"] * 2, d=["not_started"] * 3)
    assert [len(job) for job in jobs.jobs] == [4, 3, 2, 1]
    assert ended == ["completed"] * 4


def test_a_job_in_which_nothing_begins_is_the_last(run: Run) -> None:
    jobs, ended = run(a=["not_started"] * 9, b=["not_started"] * 9)
    assert len(jobs.jobs) == 1
    assert ended == ["not_started"] * 2
    jobs, ended = run(a=[], b=["not_started"] * 9)
    assert len(jobs.jobs) == 2
    assert ended == ["completed", "not_started"]


def test_not_having_begun_is_no_try(run: Run) -> None:
    jobs, ended = run(a=[], b=["not_started", "node_fail"])
    assert [len(job) for job in jobs.jobs] == [2, 1, 1]
    assert ended == ["completed"] * 2


def test_failures_that_another_try_may_cure_wait_for_the_others(run: Run) -> None:
    jobs, ended = run(a=["node_fail"], b=["user_error"], c=["preempted", "preempted"])
    assert jobs.jobs == [["a", "b", "c"], ["a", "c"]]
    assert ended == ["completed", "user_error", "preempted"]


def test_those_that_wait_for_the_others_say_so(run: Run) -> None:
    seen: list[RunState] = []
    run(a=["preempted"], b=["not_started"], on_update=seen.extend)
    notes = {state.note for state in seen if state.reason == NOT_SUBMITTED}
    assert notes == {"submitted again once the others have ended"}


def test_changes_reach_the_job_of_the_retry(run: Run) -> None:
    jobs, ended = run(SweepPolicy(memory_growth=2.0), a=["out_of_memory"])
    assert [each.memory_factor for each in jobs.changes] == [2.0]
    assert ended == ["completed"]


def test_nothing_is_tried_again_when_nothing_should_be(run: Run) -> None:
    jobs, ended = run(SweepPolicy(retries=0), a=["not_started"], b=[])
    assert len(jobs.jobs) == 1
    assert ended == ["not_started", "completed"]


def test_a_retry_that_is_refused_leaves_the_failure_as_it_was(run: Run) -> None:
    _, ended = run(refuse="no such partition", a=[], b=["not_started"])
    assert ended == ["completed", "not_started"]


def test_runs_without_hope_may_be_the_last_failure(run: Run) -> None:
    policy = SweepPolicy(max_failures=1)
    _, ended = run(policy, a=["not_started"] * 9, b=["not_started"] * 9)
    assert ended == ["not_started"] * 2
