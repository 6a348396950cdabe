"""SlurmRunner from spawn to result on a pretended Slurm that really runs the job script."""

import json
import math
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import PLAIN, config, paths_of, spawn
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import (
    BackendError,
    RecordError,
    RunError,
    SubmissionError,
    UnknownRunError,
)
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.run_folder.registry import load_intent
from tmgg.experiment_utils.run_folder.task import TaskOutput, render_result_line


def test_from_pending_to_a_result(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    spawned = runner.spawn_experiment(config(), run_id="run")
    assert (spawned.run_id, spawned.backend) == ("run", "slurm")
    assert spawned.job_id == slurm.only_job["id"]
    (state,) = runner.poll(["run"])
    assert (state.status, state.reason, state.final) == ("pending", "Priority", False)

    slurm.run(str(spawned.job_id))
    result = runner.get_result(spawned)
    assert (result.status, result.error_message, result.failure) == ("completed", None, None)
    assert result.metrics["x"] == 3
    assert math.isnan(result.metrics["nan"])
    assert (result.checkpoint_path, result.attempts, result.job_id) == ("/c", 1, spawned.job_id)
    assert result.config == config()
    assert len(result.nodes) == 1
    log = Path(str(result.output_path)).read_text()
    assert "TMGG_RESULT:{" in log


def test_what_others_must_not_read_is_closed_to_them(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    SlurmRunner().spawn_experiment(TaskRequest(config=config(), run_id="run", payload=b"x"))
    paths = paths_of(runner)
    for path in (paths.run_paths.folder, paths.folder, paths.run_paths.ended_folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    run = paths.run_paths
    for path in (run.task, run.run, run.payload, paths.intent, paths.job, paths.ray_token):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = paths.ray_token.read_text()
    assert len(token) == 64
    assert token not in paths.script.read_text() + paths.intent.read_text()
    assert not [path.name for path in folder.rglob("*.tmp")]


def test_an_experiment_that_raises_is_a_failed_result(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(run_jobs=True)
    result = runner.run_experiment(config("bad"))
    assert (result.status, result.metrics) == ("failed", {})
    assert result.failure is not None
    assert result.failure.kind == "user_error"
    assert "ValueError: the loss is purple" in str(result.error_message)
    assert "\nHINT: " in str(result.error_message)
    assert slurm.only_job["state"] == "FAILED"
    assert slurm.only_job["exit_status"] == 1 << 8


def test_a_run_can_be_asked_about_and_collected_by_any_process_anywhere(
    runner: SlurmRunner, slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.configure(run_jobs=True)
    slurm.wait_for(spawn(runner), "COMPLETED")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code = """
import dataclasses, json
from tmgg.experiment_utils.cloud import SlurmRunner
runner = SlurmRunner()
print(json.dumps([runner.get_status("run"), runner.get_result("run").metrics["x"]]))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150)
    assert json.loads(said.stdout) == ["completed", 3]


def test_a_run_nobody_knows(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    for ask in (runner.get_status, runner.collect, runner.cancel, runner.get_result, runner.retry):
        with pytest.raises(UnknownRunError) as caught:
            ask("nobody")
        assert "no run 'nobody' in" in str(caught.value)
        assert "`tmgg-jobs list`" in str(caught.value)
    assert slurm.calls() == []


def test_a_run_that_goes_on_cannot_be_collected(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    spawn(runner)
    with pytest.raises(BackendError, match=r"has not ended: it is pending\. Wait for it"):
        runner.collect("run")


def test_a_finished_run_needs_no_scheduler_ever_again(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(run_jobs=True)
    assert runner.run_experiment(config(), run_id="run").status == "completed"
    slurm.configure(controller="down", accounting="absent", jobs={})
    calls = len(slurm.calls())
    again = SlurmRunner(PLAIN)
    assert again.get_status("run") == "completed"
    assert again.get_result("run").metrics["x"] == 3
    assert len(slurm.calls()) == calls


def test_a_run_that_ended_while_nobody_looked_is_judged_by_its_files_alone(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    slurm.configure(run_jobs=True)
    slurm.wait_for(spawn(runner), "COMPLETED")
    slurm.configure(controller="down", accounting="absent", jobs={})
    assert runner.get_status("run") == "completed"


def test_a_result_that_is_only_in_the_log_of_a_forgotten_job_is_found(
    slurm: FakeSlurm, folder: Path
) -> None:
    runner = SlurmRunner(SlurmConfig(lost_grace_s=1e-6))
    spawn(runner)
    slurm.configure(jobs={})
    paths = paths_of(runner)
    output = TaskOutput(
        run_id="run", status="completed", metrics={"x": 9}, token=load_intent(paths).token
    )
    paths.run_paths.stdout.write_text(render_result_line(output))
    paths.owner.write_text("1001\n")
    runner.poll(["run"])
    assert runner.get_result("run").metrics == {"x": 9}


def test_a_hundred_runs_are_one_question(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    names = [f"run-{number}" for number in range(8)]
    for name in names:
        spawn(runner, run_id=name)
    before = len(slurm.calls("squeue"))
    assert {state.status for state in runner.poll(names)} == {"pending"}
    assert len(slurm.calls("squeue")) - before == 1
    assert len(slurm.calls("sacct")) == 0


def test_one_damaged_record_does_not_hide_the_others(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    for name in ("a", "b"):
        spawn(runner, run_id=name)
    paths = paths_of(runner, "a")
    paths.job.write_text('{"version": 1, "job_id": "garbage, 1"}')
    states = runner.poll(["a", "b"])
    assert [state.answered for state in states] == [True, True]
    assert states[1].reason == "Priority"


def test_which_record_is_damaged_is_one_question(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    for name in ("a", "b", "c"):
        spawn(runner, run_id=name)
    for path in (paths_of(runner, "b").job, paths_of(runner, "b").intent):
        path.unlink()
    before = len(slurm.calls("squeue"))
    first, damaged, last = runner.poll_each(["a", "b", "c"])
    assert len(slurm.calls("squeue")) - before == 1
    assert isinstance(damaged, RecordError)
    assert not isinstance(first, RunError)
    assert not isinstance(last, RunError)
    assert (first.reason, last.reason) == ("Priority", "Priority")


def test_a_sweep_with_a_refusal_in_it(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    slurm.configure(run_jobs=True)
    words = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy"
    slurm.break_command("sbatch", exit_code=1, stderr=words)
    results = runner.run_sweep([config(), config("bad"), config()], parallelism=3)
    assert [result.status for result in results] == ["failed", "failed", "completed"]
    assert "accounting/QOS policy" in str(results[0].error_message)
    assert len({result.run_id for result in results}) == 3


def test_the_dry_run_is_what_would_be_submitted_and_writes_nothing(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    shown = runner.render_dry_run(TaskRequest(config=config(), run_id="run"))
    assert not (folder / "slurm_outputs").exists()
    assert slurm.calls() == []
    spawn(runner)
    script = paths_of(runner).script.read_text()
    command = shlex.split(shown.splitlines()[0].removeprefix("# "))
    (call,) = slurm.calls("sbatch")
    token = slurm.only_job["comment"].removeprefix("tmgg:")
    assert script.replace(token, "TOKEN") in shown
    assert [word.replace("TOKEN", token) for word in command] == call.argv
    assert f"# in {folder}" in shown


def test_a_refused_run_is_kept_as_such(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    slurm.configure(partitions=["other"])
    with pytest.raises(SubmissionError, match="Partitions here: other"):
        spawn(runner)
    assert runner.get_status("run") == "failed"
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "submission"
