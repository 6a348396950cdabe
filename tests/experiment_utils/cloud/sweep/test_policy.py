"""What a sweep does about runs that fail."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import Script, ScriptedRunner
from tmgg.errors import ConfigError, RunExistsError, SubmissionError, SubmitLimitError
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges, SweepPolicy
from tmgg.experiment_utils.run_folder.failures import FailureKind


@pytest.fixture
def runner(clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRunner:
    monkeypatch.setattr(waiting, "Clock", lambda: clock)
    return ScriptedRunner(clock, tmp_path)


def requests(*names: str) -> list[TaskRequest]:
    return [TaskRequest(config={"x": name}, run_id=name) for name in names]


def failing(kind: FailureKind, *later: FailureKind, nodes: str = "") -> Script:
    """Fails so, then in the ways of `later`, then completes."""
    return Script(failures=[kind, *later], nodes=nodes)


def test_a_node_failure_is_tried_again_without_the_node(runner: ScriptedRunner) -> None:
    runner.scripts["a"] = failing("node_fail", nodes="node7")
    (result,) = runner.run_sweep(requests("a"))
    assert result.status == "completed"
    assert runner.retried == [("a", RetryChanges(exclude_nodes=("node7",)))]


def test_a_run_is_tried_again_as_often_as_the_policy_says(runner: ScriptedRunner) -> None:
    runner.scripts["a"] = failing("preempted", "preempted", "preempted")
    (result,) = runner.run_sweep(requests("a"), policy=SweepPolicy(retries=2))
    assert result.failure is not None
    assert result.failure.kind == "preempted"
    assert len(runner.retried) == 2


def test_what_another_try_cannot_cure_is_not_tried_again(runner: ScriptedRunner) -> None:
    for name, kind in (("a", "user_error"), ("b", "out_of_memory"), ("c", "timeout")):
        runner.scripts[name] = failing(kind)  # type: ignore[arg-type]
    results = runner.run_sweep(requests("a", "b", "c"))
    assert [result.status for result in results] == ["failed"] * 3
    assert runner.retried == []


def test_memory_grows_with_each_try_and_bad_nodes_add_up(runner: ScriptedRunner) -> None:
    runner.scripts["a"] = failing("out_of_memory", "node_fail", "out_of_memory", nodes="node1")
    policy = SweepPolicy(retries=3, memory_growth=2)
    assert runner.run_sweep(requests("a"), policy=policy)[0].status == "completed"
    assert [changes for _run, changes in runner.retried] == [
        RetryChanges(memory_factor=2),
        RetryChanges(memory_factor=2, exclude_nodes=("node1",)),
        RetryChanges(memory_factor=4, exclude_nodes=("node1",)),
    ]


def test_when_there_are_too_few_nodes_without_the_bad_one_it_is_taken(
    runner: ScriptedRunner,
) -> None:
    runner.scripts["a"] = failing("node_fail", nodes="node7")
    runner.retry_errors = [SubmissionError("Requested node configuration is not available")]
    assert runner.run_sweep(requests("a"))[0].status == "completed"
    assert runner.retried == [("a", RetryChanges())]


@pytest.mark.parametrize(
    "error",
    [ConfigError("mem_per_cpu='9999T' is more than Slurm can count"), OSError("Stale file handle")],
)
def test_a_retry_that_cannot_be_is_the_end_of_its_own_run_only(
    runner: ScriptedRunner, error: Exception
) -> None:
    runner.scripts["a"] = failing("preempted")
    runner.retry_errors = [error]
    first, second = runner.run_sweep(requests("a", "b"))
    assert first.failure is not None
    assert (first.failure.kind, second.status) == ("preempted", "completed")


@pytest.mark.parametrize("limit", [1, 2])
def test_a_sweep_ends_after_so_many_failures(runner: ScriptedRunner, limit: int) -> None:
    names = [f"r{number}" for number in range(8)]
    for name in names:
        runner.scripts[name] = Script(outcome="failed")
    results = runner.run_sweep(
        requests(*names), parallelism=1, policy=SweepPolicy(max_failures=limit)
    )
    assert len(runner.spawned) == limit
    for result in results[limit:]:
        assert result.failure is not None
        assert result.failure.kind == "cancelled"
        assert f"(max_failures={limit})" in result.failure.message
    assert runner.ended_sweeps == 1


def test_what_is_running_goes_on_when_a_sweep_ends_early_and_what_waits_is_cancelled(
    runner: ScriptedRunner,
) -> None:
    runner.scripts["bad"] = Script(outcome="failed", duration_s=1)
    runner.scripts["long"] = Script(duration_s=50)
    runner.scripts["queued"] = Script(duration_s=50, begins_s=40)
    results = runner.run_sweep(
        requests("bad", "long", "queued"), parallelism=3, policy=SweepPolicy(max_failures=1)
    )
    assert [result.status for result in results] == ["failed", "completed", "failed"]
    assert runner.cancelled == ["queued"]


def test_runs_for_which_the_queue_has_no_room_are_held_back_and_said(
    runner: ScriptedRunner,
) -> None:
    runner.most_in_queue = 2
    seen: list[RunState] = []
    results = runner.run_sweep(requests(*"abcde"), parallelism=5, on_update=seen.extend)
    assert [result.status for result in results] == ["completed"] * 5
    assert runner.most_at_once == 2
    assert "held back: QOSMaxSubmitJobPerUserLimit" in {state.note for state in seen}


def test_an_on_update_that_fails_keeps_no_run_from_being_submitted(
    runner: ScriptedRunner, caplog: pytest.LogCaptureFixture
) -> None:
    def show(states: Sequence[RunState]) -> None:
        raise OSError("No space left on device")

    results = runner.run_sweep(requests(*"abc"), parallelism=1, on_update=show)
    assert [result.status for result in results] == ["completed"] * 3
    told = "on_update failed, and the sweep goes on: OSError: No space left"
    assert caplog.text.count(told) == 1


def test_a_retry_for_which_the_queue_has_no_room_counts_as_held_back(
    runner: ScriptedRunner, caplog: pytest.LogCaptureFixture
) -> None:
    runner.scripts["a"] = failing("preempted")
    runner.retry_errors = [SubmitLimitError("QOSMaxSubmitJobPerUserLimit")]
    assert runner.run_sweep(requests("a"))[0].status == "completed"
    assert "1 run is held back: QOSMaxSubmitJobPerUserLimit" in caplog.text


def test_a_queue_that_never_has_room_is_not_waited_for_for_ever(runner: ScriptedRunner) -> None:
    runner.most_in_queue = 0
    began_s = runner.clock.now_s
    results = runner.run_sweep(requests("a", "b"))
    assert [result.failure.kind for result in results if result.failure] == ["submission"] * 2
    assert 300 <= runner.clock.now_s - began_s < 400


@pytest.mark.parametrize(
    "options",
    [
        {"max_failures": 0},
        {"max_failures": True},
        {"retries": -1},
        {"retry_kinds": ("tired",)},
        {"retry_kinds": "node_fail"},
        {"memory_growth": 1.0},
        {"memory_growth": "2"},
        {"exclude_bad_nodes": "yes"},
    ],
)
def test_a_policy_that_cannot_be(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ConfigError, match=name):
        SweepPolicy(**options)


def test_a_mode_that_the_backend_does_not_have(runner: ScriptedRunner) -> None:
    with pytest.raises(ConfigError, match="the scripted backend has separate"):
        runner.run_sweep(requests("a"), mode="array")
    assert runner.spawned == []


def test_a_spawned_sweep_is_submitted_whole_and_left(runner: ScriptedRunner) -> None:
    sweep = runner.spawn_sweep(requests("a", "b", "c"), parallelism=1)
    assert sweep.run_ids == ["a", "b", "c"]
    assert runner.spawned == ["a", "b", "c"]
    assert runner.polls == []


def test_runs_that_nothing_makes_room_for_may_be_the_last_failure(runner: ScriptedRunner) -> None:
    runner.most_in_queue = 0
    results = runner.run_sweep(requests(*"abc"), policy=SweepPolicy(max_failures=2))
    assert [result.failure.kind for result in results if result.failure] == ["submission"] * 3


def test_a_run_that_somebody_else_tried_again_first_is_waited_for(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = runner.retry

    def taken(run_id: str, changes: RetryChanges | None = None) -> None:
        retry(run_id)
        raise RunExistsError(f"run {run_id!r} is running; only a failed run is retried")

    runner.scripts["a"] = failing("node_fail")
    monkeypatch.setattr(runner, "retry", taken)
    (result,) = runner.run_sweep(requests("a"))
    assert result.status == "completed"


def test_others_see_that_a_launcher_is_alive_while_it_submits(runner: ScriptedRunner) -> None:
    runner.run_sweep(requests(*"abc"), parallelism=3)
    assert {1, 2} <= set(runner.shown_alive_after)
