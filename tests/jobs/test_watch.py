"""`tmgg-jobs watch`: how a sweep gets on, then the table of its results."""

import re
from pathlib import Path

import pytest

from tests.jobs.conftest import BAD, GOOD, Jobs, task
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest


def test_it_ends_with_the_failures_by_cause_and_the_table(here: Path, tmgg_jobs: Jobs) -> None:
    watched = tmgg_jobs("watch", GOOD, BAD)
    assert watched.code == 1
    assert watched.out.splitlines()[0].split() == [
        "#", "status", "time", "loss", "epochs", "run",
    ]  # fmt: skip
    assert f"failed: run {BAD}: user_error: " in watched.err
    assert watched.err.count(f"  run {BAD}\n") == 1
    assert watched.err.endswith("1 of 2 runs failed\n")


def test_without_a_name_all_of_a_sweep_that_goes_on_is_watched(
    empty: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = LocalRunner(LocalConfig())
    requests = [TaskRequest(config=task("good", seed=seed), title=f"seed={seed}") for seed in "12"]
    sweep = runner.spawn_sweep(requests, name="two", metric="epochs", metric_mode="max")
    watched = tmgg_jobs("watch")
    assert watched.code == 0
    assert [line.split()[:2] for line in watched.out.splitlines()[1:3]] == [["0", "1"], ["1", "2"]]
    assert "best epochs: 3 (#0 seed=1)" in watched.out
    # Of two that are as good, the one that ended first is named while it goes on.
    assert re.search(rf"best epochs 3: seed=[12] \(run {sweep.sweep_id}-[01]\)", watched.err)


def test_when_nothing_goes_on_the_last_is_shown(here: Path, tmgg_jobs: Jobs) -> None:
    named = tmgg_jobs("watch", "last")
    assert tmgg_jobs("watch").out == named.out != ""
