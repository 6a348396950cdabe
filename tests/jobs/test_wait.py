"""`tmgg-jobs wait` and `collect`: from anywhere, with exit codes that say what came of it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs, submit, task
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.paths import SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, SweepRun, save_sweep

LIMIT_S = 60


def test_runs_that_completed_exit_with_0(here: Path, tmgg_jobs: Jobs) -> None:
    waited = tmgg_jobs("wait", GOOD, DIVERGING, "--json")
    assert waited.code == 0
    assert [run["status"] for run in waited.json["runs"]] == ["completed", "completed"]


def test_a_failed_run_exits_with_1_and_says_why(here: Path, tmgg_jobs: Jobs) -> None:
    waited = tmgg_jobs("wait", BAD)
    assert waited.code == 1
    assert "HINT:" in waited.err


def test_the_time_limit_exits_with_124_and_ends_nothing(slow_run: str, tmgg_jobs: Jobs) -> None:
    waited = tmgg_jobs("wait", slow_run, "--timeout", "0.3s", "--json")
    assert waited.code == 124
    assert waited.json["runs"][0]["status"] == "running"
    assert f"tmgg-jobs cancel {slow_run}" in waited.err
    assert tmgg_jobs("list", "--json").json["runs"][0]["status"] == "running"


@pytest.mark.parametrize("text", ["soon", "-5", "5 minutes", "1e3"])
def test_a_time_limit_that_is_none_is_misuse(here: Path, tmgg_jobs: Jobs, text: str) -> None:
    assert tmgg_jobs("wait", GOOD, f"--timeout={text}").code == 2


def test_a_slurm_run_is_waited_for_by_its_files(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    job = submit("run-1", poll_interval_s=1)
    slurm.run(job)
    assert tmgg_jobs("wait", "run-1").code == 0


@pytest.mark.parametrize("option", ["", "--cancel-on-interrupt"])
def test_ctrl_c_says_how_to_come_back_and_cancels_only_on_request(
    slow_run: str, tmgg_jobs: Jobs, option: str
) -> None:
    process = _start("wait", slow_run, *([option] if option else []))
    _wait_for(process, "running")
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    if option:
        assert "1 runs are cancelled" in err
        assert tmgg_jobs("wait", slow_run).code == 1
    else:
        assert f"tmgg-jobs wait {slow_run}" in err
        assert f"tmgg-jobs cancel {slow_run}" in err
        assert tmgg_jobs("list", "--json").json["runs"][0]["status"] == "running"


def test_the_advice_means_the_runs_that_were_named_and_not_their_whole_sweep(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    sweep = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none")).spawn_sweep(
        [task("good", seed=seed) for seed in range(3)], parallelism=3
    )
    first, second, _third = sweep.run_ids
    left = tmgg_jobs("wait", first, second, "--timeout", "0s")
    assert left.code == 124
    assert f"tmgg-jobs wait {first} {second}\n" in left.err
    assert f"tmgg-jobs cancel {first} {second}\n" in left.err
    left = tmgg_jobs("wait", sweep.sweep_id, "--timeout", "0s")
    assert f"tmgg-jobs cancel {sweep.sweep_id}\n" in left.err


def test_ctrl_c_while_following_a_log_ends_nothing(slow_run: str, tmgg_jobs: Jobs) -> None:
    process = _start("logs", slow_run, "--follow")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("tmgg: submission 1")
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert "the runs go on" in err
    assert tmgg_jobs("list", "--json").json["runs"][0]["status"] == "running"


def test_a_second_ctrl_c_just_leaves(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    submit("run-1")
    process = _start("wait", "run-1", "--cancel-on-interrupt")
    _wait_for(process, "pending")
    slurm.break_command("scancel", times=None, delay_s=LIMIT_S)
    process.send_signal(signal.SIGINT)
    _wait_until(lambda: bool(slurm.calls("scancel")))
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert time.monotonic() - started < 15, "it does not wait for scancel"


def test_collect_prints_all_metrics(here: Path, tmgg_jobs: Jobs) -> None:
    collected = tmgg_jobs("collect", GOOD, DIVERGING)
    lines = [line.split() for line in collected.out.splitlines()]
    assert lines[0] == ["run", "status", "time", "loss", "epochs", "grad", "failure"]
    assert lines[1][:2] == [GOOD, "completed"]
    assert lines[1][3:] == ["0.25", "3"]
    assert lines[2][3:] == ["nan", "-inf"]
    assert collected.code == 0


def test_collect_shows_the_columns_that_are_chosen(here: Path, tmgg_jobs: Jobs) -> None:
    collected = tmgg_jobs(
        "collect", GOOD, DIVERGING, "--columns", "status,lo*", "--columns", "grad"
    )
    lines = [line.split() for line in collected.out.splitlines()]
    assert lines == [
        ["run", "status", "loss", "grad"],
        [GOOD, "completed", "0.25"],
        [DIVERGING, "completed", "nan", "-inf"],
    ]
    refused = tmgg_jobs("collect", GOOD, "--columns", "lr")
    assert refused.code == 2
    assert "no column 'lr'; there are run, status, time, loss" in refused.err


def test_collected_json_is_strict_and_keeps_what_json_lacks_as_text(
    here: Path, tmgg_jobs: Jobs
) -> None:
    collected = tmgg_jobs("collect", GOOD, BAD, DIVERGING, "--json")
    good, bad, diverging = collected.json["results"]
    assert good["metrics"] == {"loss": 0.25, "epochs": 3}
    assert diverging["metrics"] == {"loss": "NaN", "grad": "-Infinity"}
    assert bad["failure"]["kind"] == "user_error"
    assert collected.code == 1
    assert collected.json["not_ended"] == []
    assert set(good) == {
        "run_id", "config", "status", "metrics", "checkpoint_path", "error_message", "failure",
        "duration_seconds", "attempts", "job_id", "nodes", "workers", "output_path", "used",
        "folder",
    }  # fmt: skip


def test_collect_sorts_by_a_metric_tells_the_best_and_saves_a_summary(
    here: Path, tmgg_jobs: Jobs
) -> None:
    collected = tmgg_jobs(
        "collect", DIVERGING, GOOD, BAD, "--sort", "loss", "--max", "--save", "out"
    )

    rows = [line.split()[0] for line in collected.out.splitlines()]
    assert rows == ["run", GOOD, DIVERGING, BAD, "best"]
    assert f"best loss: 0.25 (run {GOOD})" in collected.out
    summary = json.loads((here / "out" / "sweep_summary.json").read_text())
    assert (summary["best"], summary["metric_mode"]) == (GOOD, "max")
    assert [run["run_id"] for run in summary["runs"]] == [DIVERGING, GOOD, BAD]
    assert (here / "out" / "sweep_summary.csv").read_text().count("\n") >= 4


def test_collect_tells_in_what_the_runs_of_a_sweep_differ(here: Path, tmgg_jobs: Jobs) -> None:
    sweep = "20261123-120000-0123abcd"
    runs = [SweepRun(run_id=GOOD, key="1", title="lr=1"), SweepRun(run_id=BAD, key="2")]
    record = SweepRecord(
        sweep_id=sweep, backend="local", mode="separate", parallelism=1, policy={}, runs=runs
    )
    save_sweep(SweepPaths(here / "local_outputs", sweep), record)

    collected = tmgg_jobs("collect", sweep, "--save", "out")

    head, first, *_ = (line.split() for line in collected.out.splitlines())
    assert head[:3] == ["run", "lr", "status"]
    assert first[:3] == [GOOD, "1", "completed"]
    summary = json.loads((here / "out" / "sweep_summary.json").read_text())
    assert [run["title"] for run in summary["runs"]] == ["lr=1", ""]


def test_collecting_a_run_that_goes_on_is_misuse(slow_run: str, tmgg_jobs: Jobs) -> None:
    collected = tmgg_jobs("collect", slow_run, "--json")
    assert collected.code == 2
    assert collected.json == {"results": [], "not_ended": [slow_run]}
    assert f"tmgg-jobs wait {slow_run}" in collected.err


def _start(*arguments: str) -> subprocess.Popen[str]:
    # Python started with -m ends by SIGINT, not with 130, if it came within an `exec` of a text (as
    # of a dataclass that is just being imported), even though it was caught.
    return subprocess.Popen(
        [Path(sys.executable).with_name("tmgg-jobs"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read the process's stderr up to a line with the word."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"{word!r} was never said; exit code {process.wait(LIMIT_S)}")


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
