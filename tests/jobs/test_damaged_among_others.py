"""A sweep one of whose records is damaged: every command goes on with the others."""

import os
from pathlib import Path

import pytest

from tests.jobs.conftest import EXPERIMENTS, Jobs, task
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.run_folder.paths import RunPaths

FIRST = "is left out: "


@pytest.fixture
def sweep(empty: Path) -> str:
    """Three runs that ended, the last of which failed; the record of the first is empty."""
    (empty / "work.py").write_text(EXPERIMENTS)
    runner = LocalRunner(LocalConfig())
    names = ("good", "good", "bad")
    requests = [TaskRequest(config=task(name, seed=n)) for n, name in enumerate(names)]
    spawned = runner.spawn_sweep(requests, name="zoo")
    for run_id in spawned.run_ids:
        runner.get_result(run_id)
    record(spawned.sweep_id).write_text("")
    return spawned.sweep_id


def record(sweep: str) -> Path:
    return RunPaths(Path("local_outputs").absolute(), f"{sweep}-0").run


def test_collect_wait_watch_cancel_and_retry_go_on(sweep: str, tmgg_jobs: Jobs) -> None:
    expected = {"collect": 1, "wait": 1, "watch": 1, "cancel": 3, "retry --wait": 1}
    for command, code in expected.items():
        name, *options = command.split()
        told = tmgg_jobs(name, sweep, *options)
        assert f"run {sweep}-0 {FIRST}" in told.err, command
        assert "is not JSON" in told.err
        assert f"{sweep}-2" in told.out, told
        assert "left out: " in told.err
        assert told.code == code, (command, told)
    assert LocalRunner().get_result(f"{sweep}-2").attempts == 2


def test_in_json_it_is_named_with_its_problem(sweep: str, tmgg_jobs: Jobs) -> None:
    for command, key in (("collect", "results"), ("wait", "runs"), ("cancel", "runs")):
        told = tmgg_jobs(command, sweep, "--json").json
        assert len(told[key]) == 2
        (left_out,) = told["left_out"]
        assert (left_out["run_id"], left_out["status"]) == (f"{sweep}-0", "damaged")
        assert "is not JSON" in left_out["problem"]


def test_a_retry_says_in_its_exit_code_and_in_json_that_it_left_one_out(
    sweep: str, tmgg_jobs: Jobs
) -> None:
    again = tmgg_jobs("retry", sweep, "--json")
    LocalRunner().get_result(f"{sweep}-2")
    Path("work.py").write_text(EXPERIMENTS.replace('raise ValueError("boom")', "return {}"))
    until_its_end = tmgg_jobs("retry", sweep, "--json", "--wait")
    for told, key in ((again, "retried"), (until_its_end, "runs")):
        assert [each["run_id"] for each in told.json[key]] == [f"{sweep}-2"]
        assert [each["run_id"] for each in told.json["left_out"]] == [f"{sweep}-0"]
        assert told.code == 3


def test_alone_it_is_an_error(sweep: str, tmgg_jobs: Jobs) -> None:
    for command in ("collect", "wait", "cancel", "retry"):
        told = tmgg_jobs(command, f"{sweep}-0")
        assert told.code == 3
        assert told.err.startswith("error: ")


def test_list_does_not_remember_it_as_it_was(empty: Path, tmgg_jobs: Jobs) -> None:
    LocalRunner(LocalConfig()).run_experiment(task("good"), run_id="one")
    assert [run["status"] for run in tmgg_jobs("list", "--json").json["runs"]] == ["completed"]
    path = RunPaths(Path("local_outputs").absolute(), "one").run
    old = path.read_text()
    path.write_text("")
    assert [run["status"] for run in tmgg_jobs("list", "--json").json["runs"]] == ["damaged"]
    path.write_text(old)
    assert [run["status"] for run in tmgg_jobs("list", "--json").json["runs"]] == ["completed"]
    os.utime(path)
    assert [run["status"] for run in tmgg_jobs("list", "--json").json["runs"]] == ["completed"]


def test_what_is_said_of_many_runs_is_one_line(empty: Path, tmgg_jobs: Jobs) -> None:
    runner = LocalRunner(LocalConfig(cpus_per_run=1))
    requests = [TaskRequest(config=task("slow", seed=n)) for n in range(12)]
    spawned = runner.spawn_sweep(requests, name="many")
    try:
        collected = tmgg_jobs("collect", "many")
        sweep = spawned.sweep_id
        assert collected.err.splitlines() == [
            f"12 runs have not ended (tmgg-jobs wait {sweep}), for example {sweep}-0"
        ]
    finally:
        cancelled = tmgg_jobs("cancel", "many")
    assert cancelled.out.splitlines() == [f"12 runs are being cancelled, for example {sweep}-0"]
    for run_id in spawned.run_ids:
        runner.get_result(run_id)
