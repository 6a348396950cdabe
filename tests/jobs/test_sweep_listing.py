"""`tmgg-jobs list` by sweep: one line for each, made of all of its runs."""

import errno
import os
import re
import sys
import time
from pathlib import Path
from typing import get_args

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs, submit, task
from tests.jobs.test_list import RUN_KEYS
from tmgg.cli import best_values, run_json
from tmgg.cli.list_columns import STATES
from tmgg.experiment_utils.cloud.runs import Status, TaskRequest
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, SweepRun, save_sweep

SWEEP = "20261123-120000-0123abcd"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def sweep(here: Path) -> Path:
    """Two of the three runs are a sweep; the folder of all."""
    outputs = here / "local_outputs"
    runs = [
        SweepRun(run_id=GOOD, key="1", title="model=mlp trainer.lr=1"),
        SweepRun(run_id=BAD, key="2", title="model=mlp trainer.lr=2"),
    ]
    record = SweepRecord(
        sweep_id=SWEEP, backend="local", mode="separate", parallelism=1, policy={}, runs=runs,
        name="seeds", metric="loss", created_at=time.time() - 3 * 3600,
    )  # fmt: skip
    save_sweep(SweepPaths(outputs, SWEEP), record)
    return outputs


def test_runs_that_a_resumed_sweep_shares_with_the_one_before_count_once(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"))
    configs = [task("good") | {"x": x} for x in range(3)]
    first = runner.spawn_sweep(configs[:2])
    again = runner.spawn_sweep(configs, resume=True)
    listed = tmgg_jobs("list")
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == [
        first.sweep_id,
        again.sweep_id,
    ]
    assert again.run_ids == [*first.run_ids, f"{again.sweep_id}-2"]
    assert "not shown" not in listed.err


def test_a_sweep_is_one_line_and_runs_of_none_are_below(sweep: Path, tmgg_jobs: Jobs) -> None:
    listed = tmgg_jobs("list")
    head, line, _, names, alone = listed.out.splitlines()
    assert head.split() == [
        "sweep", "name", "overrides", "done", "failed", "running", "pending", "best", "age",
    ]  # fmt: skip
    assert line.split() == [SWEEP, "seeds", "lr", "1", "1", "loss", "0.25", "3", "h"]
    assert names.split()[0] == "run"
    assert alone.split()[:2] == [DIVERGING, "completed"]
    assert (listed.code, listed.err) == (0, "")


def test_runs_are_lines_on_request_and_where_they_are_chosen(sweep: Path, tmgg_jobs: Jobs) -> None:
    listed = tmgg_jobs("list", "--runs")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["run", GOOD, BAD, DIVERGING]
    failed = tmgg_jobs("list", "--status", "failed").out.splitlines()
    assert [line.split()[0] for line in failed] == ["run", BAD]


def test_json_is_as_it_was(sweep: Path, tmgg_jobs: Jobs) -> None:
    document = tmgg_jobs("list", "--json").json
    assert set(document) == {"runs"}
    assert [set(run) for run in document["runs"]] == [RUN_KEYS] * 3


def test_runs_that_ended_long_ago_count_in_a_sweep_that_is_shown(
    sweep: Path, tmgg_jobs: Jobs
) -> None:
    tmgg_jobs("list")
    verdict = RunPaths(sweep, GOOD).submission(1).verdict
    two_days_ago = time.time() - 2 * 86400
    os.utime(verdict, (two_days_ago, two_days_ago))
    for _ in range(2):  # read, then remembered
        listed = tmgg_jobs("list")
        assert listed.out.splitlines()[1].split()[3:7] == ["1", "1", "loss", "0.25"]
        assert "not shown" not in listed.err


def test_results_are_read_once(
    sweep: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tmgg_jobs("list").code == 0
    monkeypatch.setattr(best_values, "read_result", None)
    assert "loss 0.25" in tmgg_jobs("list").out


def test_a_result_that_does_not_answer_once_is_read_again(
    sweep: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_nothing(_files: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as away:
        away.setattr(best_values, "read_result", read_nothing)
        assert "loss" not in tmgg_jobs("list").out, "what cannot be read may have the best"
    assert "loss 0.25" in tmgg_jobs("list").out


def test_a_result_that_is_damaged_is_read_again(sweep: Path, tmgg_jobs: Jobs) -> None:
    paths = RunPaths(sweep, GOOD)
    paths.stdout.write_text("")  # it has the result, too
    result = paths.submission(1).result
    sound = result.read_text()
    result.write_text("{")
    assert "loss" not in tmgg_jobs("list").out
    result.write_text(sound)
    assert "loss 0.25" in tmgg_jobs("list").out


def test_runs_under_way_are_counted(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"))
    requests = [TaskRequest(config=task("good", x=x), title=f"x={x}") for x in range(3)]
    known = runner.spawn_sweep(requests, mode="separate", name="three")
    _head, line = tmgg_jobs("list").out.splitlines()
    assert line.split() == [known.sweep_id, "three", "x", "3", *line.split()[4:]]


@pytest.mark.parametrize("content", ["", "{", '{"version": 99}'])
def test_a_damaged_record_of_a_sweep_hides_no_run(
    sweep: Path, tmgg_jobs: Jobs, content: str
) -> None:
    SweepPaths(sweep, SWEEP).record.write_text(content)
    out = tmgg_jobs("list").out
    assert all(run_id in out for run_id in (GOOD, BAD, DIVERGING))


def on_terminal(tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    return _COLOUR.sub("", tmgg_jobs(*arguments).out).splitlines()


def test_the_details_are_readable_at_80_columns(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(f"{SWEEP}-0")
    (empty / "slurm_outputs" / f"{SWEEP}-0" / "run.json").write_text("{" * 60)
    submit(f"{SWEEP}-1")
    head, *lines = on_terminal(tmgg_jobs, monkeypatch, "list", "--runs")[:3]
    assert max(map(len, [head, *lines])) <= 80
    damaged = next(line for line in lines if "damaged" in line)
    assert len(damaged) - head.index("details") >= 40
    assert "0123abcd-0" in damaged


def test_the_line_of_a_sweep_fits_80_columns(
    sweep: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, line, *_ = on_terminal(tmgg_jobs, monkeypatch, "list")
    assert max(len(head), len(line)) <= 80
    assert head.split() == ["sweep", "name", "overrides", "done", "failed", "best", "age"]


def test_a_run_is_counted_whatever_its_status_is() -> None:
    counted = {each for kinds in STATES.values() for each in kinds}
    words = (
        run_json.DAMAGED, run_json.FOREIGN, run_json.REMOVED, run_json.TO_SUBMIT, run_json.UNKNOWN,
    )  # fmt: skip
    assert counted == {*get_args(Status), *words}
