"""`tmgg-jobs cancel`, `retry` and `gc`: they change what is, and only what was meant."""

import os
import time
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs, submit
from tmgg.experiment_utils.run_folder.paths import RunPaths


def test_cancel_ends_runs_with_one_scancel(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    jobs = [submit(f"run-{number}") for number in range(3)]
    cancelled = tmgg_jobs("cancel", "run-0", "run-1", "run-2", "--json")
    assert [run["cancelled"] for run in cancelled.json["runs"]] == [True, True, True]
    (call,) = slurm.calls("scancel")
    assert call.argv[1:] == jobs
    waited = tmgg_jobs("wait", "run-0", "run-1", "run-2", "--json")
    assert [run["failure"]["kind"] for run in waited.json["runs"]] == ["cancelled"] * 3


def test_cancel_leaves_a_run_that_ended_alone(here: Path, tmgg_jobs: Jobs) -> None:
    cancelled = tmgg_jobs("cancel", GOOD)
    assert (cancelled.code, cancelled.out) == (0, f"run {GOOD} had already ended\n")
    assert not RunPaths(here / "local_outputs", GOOD).submission(1).cancel.exists()


def test_cancel_that_the_backend_does_not_hear_exits_with_4(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    submit("run-1")
    slurm.break_command("scancel", stderr="Unable to contact slurm controller", exit_code=1)
    assert tmgg_jobs("cancel", "run-1").code == 4


def test_retry_submits_a_failed_run_again_with_its_settings(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit("run-1", name="bad", cpus_per_task=3)
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    monkeypatch.chdir("/")
    retried = tmgg_jobs("retry", "run-1", "--json")
    assert retried.code == 0
    second = retried.json["retried"][0]["job_id"]
    assert second != job
    script = (empty / "slurm_outputs" / "run-1" / "2" / "job.sh").read_text()
    assert "--cpus-per-task=3" in script
    # As the first time, and not by where the retry was typed.
    assert "#SBATCH --output=slurm_outputs/run-1.out" in script
    assert slurm.calls("sbatch")[-1].cwd == str(empty)


def test_retry_waits_on_request(empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm) -> None:
    job = submit("run-1", name="bad", poll_interval_s=1)
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    slurm.configure(run_jobs=True)
    retried = tmgg_jobs("retry", "run-1", "--wait", "--json")
    assert retried.code == 1
    assert retried.json["runs"][0]["attempt"] == 2


@pytest.mark.parametrize("run_id", [GOOD, DIVERGING])
def test_a_run_that_completed_is_not_retried(here: Path, tmgg_jobs: Jobs, run_id: str) -> None:
    retried = tmgg_jobs("retry", run_id)
    assert retried.code == 2
    assert "left alone" in retried.err
    assert RunPaths(here / "local_outputs", run_id).submission_numbers() == [1]


def test_of_several_only_the_failed_ones_are_retried(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    failed, running = submit("run-1", name="bad"), submit("run-2")
    slurm.run(failed)
    slurm.wait_for(failed, "FAILED")
    slurm.change_job(running, state="RUNNING")
    retried = tmgg_jobs("retry", "run-1", "run-2", "--json")
    assert retried.code == 0
    assert [run["run_id"] for run in retried.json["retried"]] == ["run-1"]
    folder = str(empty / "slurm_outputs")
    assert retried.json["left_alone"] == [
        {"run_id": "run-2", "folder": folder, "status": "running"}
    ]


def test_a_retry_that_slurm_refuses_exits_with_1(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    job = submit("run-1", name="bad")
    slurm.run(job)
    slurm.wait_for(job, "FAILED")
    slurm.configure(partitions=["other"])
    retried = tmgg_jobs("retry", "run-1", "--json")
    assert retried.code == 1
    assert "Invalid partition" in retried.json["refused"][0]["message"]


def test_gc_removes_what_ended_long_ago_and_nothing_else(here: Path, tmgg_jobs: Jobs) -> None:
    _let_end_days_ago(here, GOOD, days=40)
    _let_end_days_ago(here, BAD, days=20)
    removed = tmgg_jobs("gc", "--yes", "--json").json["removed"]
    assert [run["run_id"] for run in removed] == [GOOD]
    left = {path.name for path in (here / "local_outputs").iterdir()}
    assert not [name for name in left if name.startswith(GOOD)]
    assert {BAD, f"{BAD}.out", f"{BAD}.err", DIVERGING} <= left
    ended = {path.name for path in (here / "local_outputs" / ".ended").iterdir()}
    notes = f"removed.{os.geteuid()}"
    assert ended == {f"{BAD}.1.json", f"{DIVERGING}.1.json", notes}
    assert GOOD not in tmgg_jobs("list", "--all").out


def test_gc_keeps_what_the_experiment_wrote_unless_told(here: Path, tmgg_jobs: Jobs) -> None:
    for run_id in (GOOD, BAD):
        (RunPaths(here / "local_outputs", run_id).artifacts / "last.ckpt").write_text("weights")
        _let_end_days_ago(here, run_id, days=40)
    tmgg_jobs("gc", "--yes")
    assert (here / "local_outputs" / GOOD / "output" / "last.ckpt").read_text() == "weights"
    assert not (here / "local_outputs" / GOOD / "run.json").exists()
    _let_end_days_ago(here, DIVERGING, days=40)
    tmgg_jobs("gc", "--yes", "--with-output")
    assert not (here / "local_outputs" / DIVERGING).exists()


def test_gc_removes_the_exit_records_of_its_run_only(here: Path, tmgg_jobs: Jobs) -> None:
    twin = here / "local_outputs" / ".ended" / f"{GOOD}.1.7.json"
    twin.write_text("{}")
    _let_end_days_ago(here, GOOD, days=40)
    tmgg_jobs("gc", "--yes")
    assert twin.exists()


def test_gc_dry_run_removes_nothing(here: Path, tmgg_jobs: Jobs) -> None:
    _let_end_days_ago(here, GOOD, days=40)
    dry = tmgg_jobs("gc", "--dry-run")
    assert dry.out == f"would remove {here}/local_outputs/{GOOD}\n"
    assert GOOD in tmgg_jobs("list", "--all").out


def test_gc_asks_nobody_who_cannot_answer(here: Path, tmgg_jobs: Jobs) -> None:
    _let_end_days_ago(here, GOOD, days=40)
    refused = tmgg_jobs("gc")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert GOOD in tmgg_jobs("list", "--all").out


def test_gc_never_takes_a_run_that_goes_on_or_is_damaged(
    slow_run: str, empty: Path, tmgg_jobs: Jobs
) -> None:
    damaged = RunPaths(empty / "local_outputs", "damaged-1")
    damaged.folder.mkdir()
    damaged.run.write_text("{")
    assert tmgg_jobs("gc", "--older-than", "0s", "--yes", "--json").json["removed"] == []
    assert damaged.run.exists()


def _let_end_days_ago(here: Path, run_id: str, *, days: int) -> None:
    verdict = RunPaths(here / "local_outputs", run_id).submission(1).verdict
    at = time.time() - days * 86400
    os.utime(verdict, (at, at))
