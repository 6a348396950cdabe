"""Runs of a sweep whose folders somebody removed by hand: told as removed, never as not begun."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.jobs.conftest import EXPERIMENTS, Jobs, task
from tmgg.errors import RemovedRunError
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.run_folder import batch_index
from tmgg.experiment_utils.run_folder.paths import RunPaths

NEVER_TOLD = ("not submitted", "submits it", "to submit", "turn came")


def requests() -> list[TaskRequest]:
    return [TaskRequest(config=task("good", seed=seed), title=f"seed={seed}") for seed in range(3)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("lost")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMGG_HOME", str(folder / "tmgg-home"))
        patch.chdir(folder)
        (folder / "work.py").write_text(EXPERIMENTS)
        runner = LocalRunner(LocalConfig())
        sweep = runner.spawn_sweep(requests(), name="zoo")
        for run_id in sweep.run_ids:
            runner.get_result(run_id)
    shutil.copytree(folder / "local_outputs", folder / "kept")
    return folder, sweep.sweep_id


@pytest.fixture
def sweep(finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Three runs that completed; the launcher is gone, and the folder of the first."""
    monkeypatch.chdir(finished[0])
    shutil.rmtree("local_outputs")
    shutil.copytree("kept", "local_outputs")
    batch_index._index.cache_clear()  # it is another folder now
    shutil.rmtree(first(finished[1]).folder)
    return finished[1]


def first(sweep: str) -> RunPaths:
    return RunPaths(Path("local_outputs").absolute(), f"{sweep}-0")


@pytest.mark.parametrize("command", ["show", "explain", "collect", "wait", "retry", "cancel"])
def test_it_is_reported_as_removed_with_what_its_exit_record_says(
    sweep: str, tmgg_jobs: Jobs, command: str
) -> None:
    for name in (sweep, f"{sweep}-0"):
        told = tmgg_jobs(command, name)
        words = told.out + told.err
        assert f"run {sweep}-0 was removed: it has begun" in words
        assert "exit record says that it completed" in words
        assert not [each for each in NEVER_TOLD if each in words], words
    assert told.code == 3
    assert not first(sweep).folder.exists()


def test_its_status_is_removed_in_json_and_in_the_counts(sweep: str, tmgg_jobs: Jobs) -> None:
    assert tmgg_jobs("show", sweep, "--json").json["counts"] == {"completed": 2, "removed": 1}
    listed = tmgg_jobs("list", "--all", "--json").json["runs"]
    assert sorted(run["status"] for run in listed) == ["completed", "completed", "removed"]


def test_runs_that_were_removed_can_be_listed_alone(sweep: str, tmgg_jobs: Jobs) -> None:
    listed = tmgg_jobs("list", "--status", "removed", "--json")
    assert [run["run_id"] for run in listed.json["runs"]] == [f"{sweep}-0"]


def test_a_log_alone_shows_that_it_has_begun(sweep: str, tmgg_jobs: Jobs) -> None:
    first(sweep).submission(1).ended.unlink()
    told = tmgg_jobs("show", sweep)
    assert "no exit record" in told.out
    assert "it may still run" in told.out


def test_one_of_which_nothing_is_left_or_what_is_left_is_older_has_not_begun(
    sweep: str, tmgg_jobs: Jobs
) -> None:
    run = first(sweep)
    left = [run.submission(1).ended, run.stdout, run.stderr]
    for path in left:
        os.utime(path, (time.time() - 86_400,) * 2)
    assert tmgg_jobs("show", run.run_id, "--json").json["status"] == "pending"
    for path in left:
        path.unlink()
    assert tmgg_jobs("show", run.run_id, "--json").json["status"] == "pending"


def test_a_runner_neither_collects_nor_submits_it(sweep: str) -> None:
    runner = LocalRunner(LocalConfig())
    with pytest.raises(RemovedRunError, match="has begun"):
        runner.get_result(f"{sweep}-0")
    with pytest.raises(RemovedRunError, match="has begun"):
        runner.retry(f"{sweep}-0")


def test_a_resume_says_so_and_runs_it_as_another(
    sweep: str, caplog: pytest.LogCaptureFixture
) -> None:
    again = LocalRunner(LocalConfig()).run_sweep(requests(), name="zoo", resume=True)
    assert [result.status for result in again] == ["completed"] * 3
    assert sorted(f"{sweep}-{number}" == again[number].run_id for number in range(3)) == [
        False, True, True,
    ]  # fmt: skip
    assert "1 of them ran before, and somebody removed the folder" in caplog.text


def test_gc_takes_what_is_left_of_it_and_says_afterwards_how_many_are_gone(
    sweep: str, tmgg_jobs: Jobs
) -> None:
    long_ago = time.time() - 31 * 86_400
    batch = Path("local_outputs/.batches") / f"{sweep}.0" / "runs"
    for path in (batch, first(sweep).submission(1).ended, first(sweep).stdout, first(sweep).stderr):
        os.utime(path, (long_ago, long_ago))
    removed = tmgg_jobs("gc", "--yes", "--json").json["removed"]
    assert [each["run_id"] for each in removed] == [f"{sweep}-0"]
    assert not first(sweep).stdout.exists()
    for name in (sweep, "zoo"):
        assert "3 runs: 2 completed, 1 removed" in tmgg_jobs("show", name).out
    listed = tmgg_jobs("list").out.splitlines()
    assert "removed" in listed[0].split()


def test_a_sweep_of_which_gc_left_one_run_is_still_shown_as_a_sweep(
    sweep: str, tmgg_jobs: Jobs
) -> None:
    long_ago = time.time() - 31 * 86_400
    for number in (0, 1):
        run = RunPaths(first(sweep).output_dir, f"{sweep}-{number}")
        left = [run.submission(1).ended, run.stdout, run.stderr]
        verdict = run.submission(1).verdict
        batch = Path("local_outputs/.batches") / f"{sweep}.0" / "runs"
        for path in [*left, batch, *([verdict] if verdict.exists() else [])]:
            os.utime(path, (long_ago, long_ago))
    assert len(tmgg_jobs("gc", "--yes", "--json").json["removed"]) == 2
    for name in (sweep, "zoo"):
        shown = tmgg_jobs("show", name)
        assert "3 runs: 2 removed, 1 completed" in shown.out
        assert f"{sweep}-2" in shown.out
