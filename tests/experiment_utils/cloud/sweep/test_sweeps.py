"""One result per config, in order, whatever happens to the siblings."""

import errno
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.scripted_runner import Script, ScriptedRunner
from tmgg.errors import (
    BackendError,
    ConfigError,
    QueryError,
    RecordError,
    RunExistsError,
    SubmissionError,
    SubmissionUnknownError,
    TaskError,
)
from tmgg.experiment_utils.cloud.runs import ExperimentResult, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request


@pytest.fixture
def runner(clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRunner:
    monkeypatch.setattr(waiting, "Clock", lambda: clock)
    return ScriptedRunner(clock, tmp_path)


def requests(*names: str) -> list[TaskRequest]:
    return [TaskRequest(config={"x": name}, run_id=name) for name in names]


def outcomes(results: list[ExperimentResult]) -> list[tuple[str, str]]:
    return [(result.run_id, result.status) for result in results]


def test_results_come_in_the_order_of_the_configs(runner: ScriptedRunner) -> None:
    for number, name in enumerate("edcba"):
        runner.scripts[name] = Script(duration_s=10 - 2 * number)
    results = runner.run_sweep(requests(*"edcba"), parallelism=5)
    assert [result.run_id for result in results] == list("edcba")


@pytest.mark.parametrize("parallelism", [1, 3, 20])
def test_no_more_than_parallelism_are_under_way(runner: ScriptedRunner, parallelism: int) -> None:
    names = [f"r{number}" for number in range(10)]
    assert len(runner.run_sweep(requests(*names), parallelism=parallelism)) == 10
    assert runner.most_at_once == min(parallelism, 10)
    assert runner.spawned == names


def test_an_interrupted_sweep_says_how_many_runs_it_leaves_unsubmitted(
    runner: ScriptedRunner,
) -> None:
    def interrupt(_states: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        runner.run_sweep(requests("s-0", "s-1", "s-2"), parallelism=2, on_update=interrupt)
    (note,) = raised.value.__notes__
    assert note.startswith("1 of 3 runs of sweep ")
    assert "were not submitted" in note


def test_none_waits_for_a_slower_sibling(runner: ScriptedRunner) -> None:
    runner.scripts["slow"] = Script(duration_s=100)
    names = [f"quick{number}" for number in range(9)]
    began_s = runner.clock.now_s
    runner.run_sweep(requests("slow", *names), parallelism=2)
    assert runner.scripts["quick8"].began_s is not None
    assert runner.scripts["quick8"].began_s - began_s < 90


def test_failures_and_refusals_are_results_among_the_others(runner: ScriptedRunner) -> None:
    runner.scripts["failing"] = Script(outcome="failed")
    runner.scripts["refused"] = Script(spawn_error=SubmissionError("Invalid qos"))
    runner.scripts["taken"] = Script(spawn_error=RunExistsError("it exists"))
    runner.scripts["down"] = Script(spawn_error=BackendError("no answer"))
    results = runner.run_sweep(requests("a", "failing", "refused", "taken", "down", "b"))
    assert outcomes(results) == [
        ("a", "completed"),
        ("failing", "failed"),
        ("refused", "failed"),
        ("taken", "failed"),
        ("down", "failed"),
        ("b", "completed"),
    ]
    refused = results[2]
    assert refused.failure is not None
    assert refused.failure.kind == "submission"
    assert refused.error_message is not None
    assert "Invalid qos\nHINT: " in refused.error_message
    assert refused.config == {"x": "refused"}


def test_all_refused_is_a_result_for_each(runner: ScriptedRunner) -> None:
    for name in "ab":
        runner.scripts[name] = Script(spawn_error=SubmissionError("no"))
    assert outcomes(runner.run_sweep(requests("a", "b"))) == [("a", "failed"), ("b", "failed")]


def test_a_run_whose_submission_is_unknown_is_waited_for(runner: ScriptedRunner) -> None:
    runner.scripts["a"] = Script(spawn_error=SubmissionUnknownError("but it runs"))
    assert outcomes(runner.run_sweep(requests("a", "b"))) == [
        ("a", "completed"),
        ("b", "completed"),
    ]


@pytest.mark.parametrize(
    "error",
    [
        RecordError("task.json is not JSON"),
        QueryError("squeue did not answer"),
        OSError(errno.ESTALE, "Stale file handle"),
    ],
)
def test_a_result_that_cannot_be_read_ends_its_own_run_only(
    runner: ScriptedRunner, error: Exception
) -> None:
    runner.scripts["damaged"] = Script(collect_error=error)
    results = runner.run_sweep(requests("a", "damaged", "b"))
    assert outcomes(results) == [("a", "completed"), ("damaged", "failed"), ("b", "completed")]
    assert results[1].error_message is not None
    assert str(error) in results[1].error_message


def test_a_run_that_others_submit_again_as_it_is_collected_is_waited_for(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.scripts["b"] = Script(outcome="failed")
    collect, seen = runner.collect, []

    def after_a_retry(run_id: str) -> ExperimentResult:
        seen.append(run_id)
        if seen.count("b") == 1 and run_id == "b":
            runner.begin("b", duration_s=60)
        return collect(run_id)

    monkeypatch.setattr(runner, "collect", after_a_retry)
    results = runner.run_sweep(requests("a", "b", "c"))
    assert outcomes(results) == [("a", "completed"), ("b", "completed"), ("c", "completed")]
    assert seen.count("b") == 2


def test_a_run_that_the_file_system_does_not_let_begin_is_a_failed_result(
    runner: ScriptedRunner,
) -> None:
    runner.scripts["stale"] = Script(spawn_error=OSError(errno.ESTALE, "Stale file handle"))
    results = runner.run_sweep(requests("a", "stale", "b"))
    assert outcomes(results) == [("a", "completed"), ("stale", "failed"), ("b", "completed")]


def test_a_record_that_vanishes_under_way_ends_its_own_run_only(runner: ScriptedRunner) -> None:
    runner.scripts["a"] = Script(duration_s=20)
    runner.at(3, lambda: runner.vanished.add("gone"))
    results = runner.run_sweep(requests("a", "gone", "b"), parallelism=3)
    assert outcomes(results) == [("a", "completed"), ("gone", "failed"), ("b", "completed")]


def test_which_record_has_vanished_is_asked_once_however_many_runs_there_are(
    runner: ScriptedRunner,
) -> None:
    names = [f"r{number}" for number in range(40)]
    runner.at(1, lambda: runner.vanished.add("r7"))
    results = runner.run_sweep(requests(*names), parallelism=40)
    assert [each.run_id for each in results if each.status == "failed"] == ["r7"]
    assert results[7].error_message is not None
    assert "no run 'r7'" in results[7].error_message
    without_damage = 3  # at 0, 2 and 6 seconds
    assert len(runner.polls) == without_damage + 2


def test_a_record_that_vanishes_does_not_keep_the_others_from_being_submitted(
    runner: ScriptedRunner,
) -> None:
    runner.most_in_queue = 2
    runner.scripts["b"] = Script(duration_s=20)
    runner.at(1, lambda: runner.vanished.add("a"))
    sweep = runner.spawn_sweep(requests("a", "b", "c"))
    assert runner.spawned == ["a", "b", "c"]
    assert list(sweep.refused) == ["a"]


@pytest.mark.parametrize("parallelism", [0, -1, "2", 1.5, None, True])
def test_a_parallelism_that_cannot_be(runner: ScriptedRunner, parallelism: Any) -> None:
    with pytest.raises(ConfigError, match=f"parallelism={parallelism!r}"):
        runner.run_sweep(requests("a"), parallelism=parallelism)
    assert runner.spawned == []


def test_a_sweep_of_nothing_is_nothing(runner: ScriptedRunner) -> None:
    assert runner.run_sweep([], parallelism=0) == []


def test_twins_are_refused_before_anything_is_submitted(runner: ScriptedRunner) -> None:
    with pytest.raises(ConfigError, match=r"run ids given twice in one sweep: a, c\."):
        runner.run_sweep(requests("a", "b", "a", "c", "c"))
    assert runner.spawned == []


def test_one_bad_config_is_refused_before_anything_is_submitted(runner: ScriptedRunner) -> None:
    with pytest.raises(TaskError, match="nowhere"):
        runner.run_sweep([{"x": 1}, {"x": "${nowhere}"}])
    with pytest.raises(ConfigError, match="cannot be a file name"):
        runner.run_sweep([{"x": 1}, TaskRequest(config={}, run_id="a/b")])
    assert runner.spawned == []


def test_runs_that_exist_are_refused_before_anything_is_submitted(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "existing", lambda ids: [name for name in ids if name in "bc"])
    with pytest.raises(RunExistsError) as caught:
        runner.run_sweep(requests("a", "b", "c"))
    assert "these runs of the sweep exist already: b, c" in str(caught.value)
    assert "Nothing was submitted" in str(caught.value)
    assert runner.spawned == []
    assert len(runner.run_sweep(requests("a", "b", "c"), resume=True)) == 3


def test_a_sweeps_time_limit_and_gpu_reach_each_run(
    runner: ScriptedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, object]] = []
    spawn = runner.spawn

    def noting(request: TaskRequest, *, gpu_type: str | None, resume: bool) -> Any:
        seen.append((request.timeout_seconds, gpu_type))
        return spawn(request, gpu_type=gpu_type, resume=resume)

    monkeypatch.setattr(runner, "spawn", noting)
    runner.run_sweep([{"x": 1}, {"x": 2}], timeout_seconds=60, gpu_type="a100")
    assert seen == [(60, "a100")] * 2


def test_run_experiment_is_spawn_and_wait(runner: ScriptedRunner) -> None:
    result = runner.run_experiment({"x": 1}, run_id="a")
    assert (result.run_id, result.status) == ("a", "completed")
    spawned = runner.spawn_experiment({"x": 1})
    assert runner.get_status(spawned.run_id) == "running"
    assert runner.get_result(spawned, {"x": 1}).run_id == spawned.run_id
    assert runner.get_result(spawned.run_id).status == "completed"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"run_id": "given"}, "given"),
        ({}, "requests"),
    ],
)
def test_the_run_id_is_the_one_given_last(arguments: dict[str, str], expected: str) -> None:
    request = TaskRequest(config={"run_id": "configs"}, run_id="requests")
    assert as_request(request, **arguments).run_id == expected  # type: ignore[arg-type]
    assert as_request({"run_id": "configs"}).run_id == "configs"


def test_run_ids_that_nobody_gave_differ_and_sort_by_time() -> None:
    ids = [str(as_request({}).run_id) for _ in range(50)]
    assert len(set(ids)) == 50
    assert {name[:8] for name in ids} == {ids[0][:8]}


@pytest.mark.parametrize("run_id", ["", "a/b", 7])
def test_a_run_id_that_was_given_is_never_silently_replaced(run_id: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be a file name"):
        as_request({}, run_id=run_id)
    with pytest.raises(ConfigError, match="cannot be a file name"):
        as_request({"run_id": run_id})
    with pytest.raises(ConfigError, match="cannot be a file name"):
        as_request(TaskRequest(config={}, run_id=run_id))


@pytest.mark.parametrize("timeout", [0, -5, 1.5, "60", True])
def test_a_time_limit_that_cannot_be(timeout: Any) -> None:
    with pytest.raises(ConfigError, match=f"timeout_seconds={timeout!r}"):
        as_request({}, timeout_seconds=timeout)
    with pytest.raises(ConfigError, match=f"timeout_seconds={timeout!r}"):
        as_request(TaskRequest(config={}, timeout_seconds=timeout))
