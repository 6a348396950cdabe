"""Two runs of one id, in the folders of two projects: each is itself for every command."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobs.conftest import EXPERIMENTS, Jobs, task
from tmgg.cli.top import actions
from tmgg.cli.top.snapshot import Looker
from tmgg.cli.watched import find_watched
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.cloud.runs_on_record.run_canceller import RunCanceller
from tmgg.experiment_utils.run_folder.paths import RunPaths

ID = "baseline"
LOSSES = {"one": 1.0, "two": 2.0}
WORK = f"""{EXPERIMENTS}
def measured(config):
    return {{"loss": config.loss}}
"""


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RunPaths]]:
    """Where two projects keep their run `baseline`; nothing is there yet."""
    found = []
    for name in LOSSES:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "work.py").write_text(WORK)
        found.append(RunPaths(folder / "local_outputs", ID))
    monkeypatch.chdir(tmp_path)
    yield found
    for paths in found:
        os.chdir(paths.output_dir.parent)
        if paths.folder.exists():
            LocalRunner(LocalConfig()).cancel(ID)


@pytest.fixture
def run_in(projects: list[RunPaths], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Start `baseline` in a project; returns what a command may be given for it: its job."""

    def start(place: int, target: str = "measured", *, wait: bool = True) -> str:
        project = projects[place].output_dir.parent
        monkeypatch.chdir(project)
        runner = LocalRunner(LocalConfig())
        job = runner.spawn_experiment(task(target, loss=LOSSES[project.name]), run_id=ID).job_id
        if wait:
            runner.get_result(ID)
        monkeypatch.chdir(project.parent)
        return str(job).partition("@")[0]

    return start


def places(projects: list[RunPaths]) -> list[str]:
    return [str(paths.folder) for paths in projects]


def test_each_result_stands_in_its_own_row(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    jobs = [run_in(0), run_in(1)]
    rows = tmgg_jobs("collect", *jobs).out.splitlines()[1:3]
    assert [row.split()[0] for row in rows] == places(projects)
    assert [float(row.split()[-1]) for row in rows] == [1.0, 2.0]
    results = tmgg_jobs("collect", *jobs, "--json").json["results"]
    assert [result["metrics"]["loss"] for result in results] == [1.0, 2.0]


def test_the_place_of_a_run_means_it_and_the_id_alone_is_refused(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    run_in(0), run_in(1)
    for paths in projects:
        assert tmgg_jobs("show", str(paths.folder), "--json").json["folder"] == str(
            paths.output_dir
        )
    refused = tmgg_jobs("show", ID)
    assert refused.code == 2
    assert all(place in refused.err for place in places(projects))


def test_wait_goes_on_until_both_have_ended(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    jobs = [run_in(0, "slow", wait=False), run_in(1)]
    waited = tmgg_jobs("wait", *jobs, "--timeout", "1s", "--json")
    assert waited.code == 124
    found = {run["folder"]: run["status"] for run in waited.json["runs"]}
    assert sorted(found.values()) == ["completed", "running"]
    assert found[str(projects[1].output_dir)] == "completed"
    assert f"tmgg-jobs cancel {projects[0].folder}\n" in waited.err


def test_wait_tells_the_end_of_each(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    waited = tmgg_jobs("wait", run_in(0, "bad"), run_in(1))
    assert waited.code == 1
    assert "2 runs: 1 completed, 1 failed" in waited.err
    assert f"failed: {projects[0].folder} (run {ID})" in waited.err
    assert [line.split()[:2] for line in waited.out.splitlines()[1:]] == [
        [places(projects)[0], "failed"],
        [places(projects)[1], "completed"],
    ]


def test_watch_names_the_one_that_failed(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    watched = tmgg_jobs("watch", run_in(0, "bad"), run_in(1))
    assert watched.code == 1
    assert f"  run {projects[0].folder}\n" in watched.err
    assert f"run {projects[1].folder}\n" not in watched.err


def test_watch_without_names_shows_both_that_go_on(
    projects: list[RunPaths], run_in: Callable[..., str]
) -> None:
    run_in(0, "slow", wait=False)
    run_in(1, "slow", wait=False)
    assert {run.paths for run in find_watched([], None).runs} == {*projects}


def test_retry_submits_the_one_that_failed(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    jobs = [run_in(0, "bad"), run_in(1)]
    retried = tmgg_jobs("retry", *jobs, "--json").json
    assert [run["folder"] for run in retried["retried"]] == [str(projects[0].output_dir)]
    assert [run["folder"] for run in retried["left_alone"]] == [str(projects[1].output_dir)]
    assert [paths.submission_numbers() for paths in projects] == [[1, 2], [1]]


def test_retry_submits_both_that_failed_and_each_once(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    retried = tmgg_jobs("retry", run_in(0, "bad"), run_in(1, "bad"))
    assert retried.out.count("submitted again") == 2
    assert all(f"run {place} submitted again" in retried.out for place in places(projects))
    assert [paths.submission_numbers() for paths in projects] == [[1, 2], [1, 2]]


def test_cancel_ends_the_one_that_goes_on(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    cancelled = tmgg_jobs("cancel", run_in(0, "slow", wait=False), run_in(1), "--json").json
    assert [(run["folder"], run["cancelled"]) for run in cancelled["runs"]] == [
        (str(projects[0].output_dir), True),
        (str(projects[1].output_dir), False),
    ]


def test_a_damaged_record_takes_no_other_with_it(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    jobs = [run_in(0), run_in(1)]
    record = projects[0].run.read_text()
    projects[0].run.write_text("{")
    collected = tmgg_jobs("collect", places(projects)[0], jobs[1], "--json").json
    assert [result["metrics"]["loss"] for result in collected["results"]] == [2.0]
    assert [run["folder"] for run in collected["left_out"]] == [str(projects[0].output_dir)]
    projects[0].run.write_text(record)


def test_top_submits_each_again(projects: list[RunPaths], run_in: Callable[..., str]) -> None:
    run_in(0, "bad"), run_in(1, "bad")
    (group,) = Looker().look().groups
    assert actions.retry(group.runs).startswith("2 of 2 failed runs are submitted again")
    assert [paths.submission_numbers() for paths in projects] == [[1, 2], [1, 2]]


def test_top_explains_each(projects: list[RunPaths], run_in: Callable[..., str]) -> None:
    run_in(0, "bad"), run_in(1, "bad")
    (group,) = Looker().look().groups
    told = actions.explain(group.runs).splitlines()
    assert {line.strip() for line in told} >= {*places(projects)}


def test_list_tells_the_two_apart(
    projects: list[RunPaths], run_in: Callable[..., str], tmgg_jobs: Jobs
) -> None:
    run_in(0), run_in(1)
    for again in range(2):  # the second time from what was remembered
        listed = tmgg_jobs("list", "--runs").out.splitlines()[1:]
        assert sorted(line.split()[0] for line in listed) == sorted(places(projects)), again


def test_gc_settles_each_that_nobody_will_submit(
    projects: list[RunPaths], run_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = []

    def settle(canceller: RunCanceller, run_id: str) -> None:
        settled.append(canceller.finder.paths(run_id))

    run_in(0), run_in(1)
    monkeypatch.setattr(RunCanceller, "settle", settle)
    reattached = Reattached([read_known_run(paths) for paths in projects])
    for paths in projects:
        reattached.settle(paths)
    assert settled == projects
