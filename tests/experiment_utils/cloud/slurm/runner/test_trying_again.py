"""Runs that are tried again: retried, resumed, requeued or gone on from a saved state."""

import sys
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import (
    LAB,
    PLAIN,
    config,
    paths_of,
    spawn,
    until,
)
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import RunExistsError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.attempt_log import render_mark
from tmgg.experiment_utils.run_folder.failures import HINTS
from tmgg.experiment_utils.run_folder.task import TaskOutput


def test_a_failed_run_is_retried_with_the_settings_and_in_the_folder_it_had(
    slurm: FakeSlurm, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "lab.py").write_text(LAB)
    slurm.configure(run_jobs=True)
    first = SlurmRunner(
        SlurmConfig(nodes=1, ray_bootstrap="none", partition="batch", job_name="mine")
    ).run_experiment(config("once"), run_id="run")
    assert (first.status, first.attempts) == ("failed", 1)

    monkeypatch.chdir(tmp_path)  # above the run's folder: its logs have another relative name here
    runner = SlurmRunner(SlurmConfig(output_dir=str(folder / "slurm_outputs"), partition="gpu"))
    spawned = runner.retry("run")
    job = slurm.jobs[str(spawned.job_id)]
    assert (job["options"]["partition"], job["name"]) == ("batch", "mine")
    second = runner.get_result("run")
    assert (second.status, second.metrics, second.attempts) == ("completed", {"value": 7}, 2)
    log = (folder / "slurm_outputs/run.out").read_text()
    assert log.count("TMGG_RESULT:") == 2
    with pytest.raises(RunExistsError, match="only a failed run is retried"):
        runner.retry("run")


STRICT = """
import pathlib, sys

def look(config):
    count = len(list(pathlib.Path().glob("tried.*")))
    pathlib.Path(f"tried.{count}").touch()
    if count == 0:
        raise ValueError("the first time")
    return {"is_strict": sys.warnoptions == ["error::UserWarning:it's"]}
"""


@pytest.mark.parametrize("asked", ["retried", "resumed"])
def test_a_run_has_the_options_of_the_python_that_launched_it(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    (folder / "strict.py").write_text(STRICT)
    slurm.configure(run_jobs=True)
    runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"))
    config = {"experiment": {"_target_": "strict:look"}}
    its = ["error::UserWarning:it's"]
    monkeypatch.setattr(sys, "warnoptions", its if asked == "retried" else [])
    assert runner.run_experiment(config, run_id="run").status == "failed"

    monkeypatch.setattr(sys, "warnoptions", [] if asked == "retried" else its)
    if asked == "retried":
        runner.retry("run")
    else:
        runner.run_sweep([TaskRequest(config=config, run_id="run")], resume=True)

    result = runner.get_result("run")
    assert (result.status, result.metrics, result.attempts) == ("completed", {"is_strict": 1}, 2)


def test_a_retry_that_dies_at_once_is_not_judged_by_the_first_tries_words(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner)
    logs = paths_of(runner).run_paths
    first_mark = render_mark(1, restart=0, job_id=job_id, host="node1")
    killed = "slurmstepd-node1: error: Detected 1 oom-kill event(s) in StepId=1.0"
    logs.stderr.write_text(f"{first_mark}\n{killed}\n")
    slurm.change_job(job_id, state="FAILED", reason="NonZeroExitCode", exit_status=256)
    first = runner.get_result("run")
    assert first.failure is not None
    assert first.failure.kind == "out_of_memory"

    job_id = str(runner.retry("run").job_id)
    with logs.stderr.open("a") as log:
        log.write(render_mark(2, restart=0, job_id=job_id, host="node1") + "\n")
        log.write("slurm_script: line 70: python: command not found\n")
    slurm.change_job(job_id, state="FAILED", reason="NonZeroExitCode", exit_status=256)
    second = runner.get_result("run")
    assert second.failure is not None
    assert (second.failure.kind, second.attempts) == ("environment", 2)
    assert "oom-kill" not in second.failure.message


@pytest.mark.parametrize("why", ["PREEMPTION", "TIME LIMIT", "NODE FAILURE"])
def test_a_restart_that_dies_before_its_first_word_is_not_judged_by_the_first_starts_words(
    runner: SlurmRunner, slurm: FakeSlurm, why: str
) -> None:
    job_id = spawn(runner)
    submission = paths_of(runner)
    first_mark = render_mark(1, restart=0, job_id=job_id, host="node1")
    ended = f"slurmstepd-node1: error: *** JOB {job_id} ON node1 CANCELLED AT x DUE TO {why} ***"
    submission.run_paths.stderr.write_text(f"{first_mark}\n{ended}\nexecve(): No such file\n")
    slurm.change_job(job_id, state="FAILED", reason="x", exit_status=74 * 256, restarts=1)

    result = runner.get_result("run")

    assert result.failure is not None
    assert (result.failure.kind, result.failure.hint) == ("environment", HINTS["disk"])
    assert "DUE TO" not in result.failure.message
    assert result.attempts == 2


def test_resuming_submits_what_failed_and_nothing_else(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(run_jobs=True)
    requests = [TaskRequest(config=config(name), run_id=name) for name in ("good", "once", "bad")]
    first = runner.run_sweep(requests)
    assert [result.status for result in first] == ["completed", "failed", "failed"]
    second = SlurmRunner(PLAIN).run_sweep(requests, resume=True)
    assert [result.status for result in second] == ["completed", "completed", "failed"]
    assert [result.attempts for result in second] == [1, 2, 2]
    assert len(slurm.submissions()) == 5


def test_a_requeued_jobs_earlier_result_does_not_count(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    job_id = spawn(runner, "slow")
    slurm.run(job_id)
    until(lambda: (folder / "begun").exists())
    slurm.requeue(job_id)
    stale = TaskOutput(run_id="run", status="completed", submission=1, restart=0)
    write_json(paths_of(runner).result, stale.to_json())
    (state,) = runner.poll(["run"])
    assert (state.status, state.final, state.attempt) == ("pending", False, 2)

    (folder / "lab.py").write_text(LAB.replace("time.sleep(600)", "return 5"))
    slurm.run(job_id)
    result = runner.get_result("run")
    assert (result.status, result.metrics, result.attempts) == ("completed", {"value": 5}, 2)


def test_whoever_waits_for_an_interrupted_run_submits_it_again_once(
    runner: SlurmRunner, slurm: FakeSlurm, caplog: pytest.LogCaptureFixture
) -> None:
    first = spawn(runner, "interrupted")
    slurm.run(first)
    slurm.wait_for(first, "FAILED")
    (state,) = runner.poll(["run"])
    assert (state.status, state.resumable) == ("failed", True)
    assert state.failure is not None
    assert state.failure.kind == "timeout"
    assert runner.runs.go_on(state)
    assert SlurmRunner(PLAIN).runs.go_on(state), "another process that waits for it"
    _first, second = slurm.jobs
    (told,) = [text for text in caplog.messages if "submitted again" in text]
    assert told.startswith("run run was ended with its state saved")
    assert f"it is submitted again as job {second}, to go on from there" in told
    slurm.run(second)
    result = runner.get_result("run")
    assert (result.status, result.attempts) == ("completed", 2)
    assert result.metrics == {"began_at": 7}


def test_an_interrupted_run_whose_record_is_damaged_has_failed_and_hinders_no_other(
    runner: SlurmRunner, slurm: FakeSlurm, caplog: pytest.LogCaptureFixture
) -> None:
    for run_id in ("run", "other"):
        slurm.run(spawn(runner, "interrupted" if run_id == "run" else "good", run_id))
    runner.get_result("other")
    paths_of(runner).run_paths.run.write_text("{")
    ended = {state.run_id: state.status for state in waiting.wait(runner.runs, ["run", "other"])}
    assert ended == {"run": "failed", "other": "completed"}
    assert "run run cannot go on from its saved state" in caplog.text


def test_an_interrupted_run_without_restarts_left_has_failed(
    slurm: FakeSlurm, runner: SlurmRunner
) -> None:
    config = SlurmConfig(nodes=1, ray_bootstrap="none", max_restarts=0)
    last = SlurmRunner(config)
    slurm.run(spawn(last, "interrupted"))
    result = last.get_result("run")
    assert result.failure is not None
    assert (result.failure.kind, len(slurm.jobs)) == ("timeout", 1)
    assert "tmgg-jobs retry goes on from there" in result.failure.hint
