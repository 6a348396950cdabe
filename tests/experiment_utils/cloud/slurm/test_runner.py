"""SlurmRunner from spawn to result on a pretended Slurm that really runs the job script."""

import json
import math
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import (
    BackendError,
    QueryError,
    RecordError,
    RunError,
    RunExistsError,
    SubmissionError,
    UnknownRunError,
)
from tmgg.experiment_utils.atomic_file import write_json
from tmgg.experiment_utils.attempt_log import render_mark
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner, waiting
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.task import TaskOutput, render_result_line

LAB = """
import os, time
from pathlib import Path
def good(config):
    return {"x": config.x, "nan": float("nan"), "checkpoint_path": "/c"}
def bad(config):
    raise ValueError("the loss is purple")
def slow(config):
    Path("begun").touch()
    time.sleep(600)
def once(config):
    if not Path("tried").exists():
        Path("tried").touch()
        raise RuntimeError("the first time")
    return 7
def interrupted(config):
    from tmgg.errors import StoppedEarlyError
    from tmgg.experiment_utils.context import current_run
    run = current_run()
    if run.previous_checkpoint is not None:
        return {"began_at": int(run.previous_checkpoint.read_text())}
    saved = run.output_dir / "saved"
    saved.write_text("7")
    run.note_checkpoint(saved)
    run.stop_path.write_text("time_limit\\n")
    raise StoppedEarlyError("at 7")
"""
PLAIN = SlurmConfig(nodes=1, ray_bootstrap="none")


@pytest.fixture
def runner(slurm: FakeSlurm, folder: Path) -> SlurmRunner:
    (folder / "lab.py").write_text(LAB)
    return SlurmRunner(PLAIN)


def config(function: str = "good", **values: Any) -> dict[str, Any]:
    return {"experiment": {"_target_": f"lab:{function}"}, "x": 3, **values}


def paths_of(runner: SlurmRunner, run_id: str = "run", number: int = 1) -> SubmissionPaths:
    return RunPaths(runner.output_dir, run_id).submission(number)


def spawn(runner: SlurmRunner, function: str = "good", run_id: str = "run") -> str:
    job_id = runner.spawn_experiment(config(function), run_id=run_id).job_id
    assert job_id is not None
    return job_id


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


def test_a_pending_run_is_cancelled_and_never_begins(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    job_id = spawn(runner, "slow")
    assert runner.cancel("run") is True
    assert slurm.only_job["state"] == "CANCELLED"
    (state,) = runner.poll(["run"])
    assert (state.status, state.final) == ("failed", True)
    assert state.failure is not None
    assert state.failure.kind == "cancelled"
    assert runner.cancel("run") is False
    assert job_id in slurm.calls("scancel")[0].argv
    assert len(slurm.calls("scancel")) == 1
    assert not (folder / "begun").exists()


def test_a_running_run_is_cancelled_with_all_its_processes(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    job_id = spawn(runner, "slow")
    slurm.run(job_id)
    until(lambda: (folder / "begun").exists())
    leader = slurm.only_job["pid"]
    assert runner.get_status("run") == "running"
    assert runner.cancel("run") is True
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "cancelled"
    until(lambda: not group_exists(leader))


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def group_exists(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_controller_that_is_down_cannot_cancel_but_the_job_will_not_begin(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner, "slow")
    slurm.configure(controller="down")
    with pytest.raises(QueryError, match="Unable to contact slurm controller"):
        runner.cancel("run")
    slurm.repair()
    slurm.run(job_id)
    slurm.wait_for(job_id, "COMPLETED")
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "cancelled"


def test_a_job_killed_without_a_word_is_known_by_its_state(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    job_id = spawn(runner, "slow")
    slurm.run(job_id)
    until(lambda: (folder / "begun").exists())
    slurm.change_job(job_id, state="TIMEOUT", reason="TimeLimit")
    slurm.signal_job(job_id, signal.SIGKILL)
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "timeout"
    assert "TIMEOUT (TimeLimit)" in result.failure.message


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
    output = TaskOutput(run_id="run", status="completed", metrics={"x": 9}, submission=1)
    paths.run_paths.stdout.write_text(render_result_line(output))
    paths.owner.write_text("1001\n")
    runner.poll(["run"])
    assert runner.get_result("run").metrics == {"x": 9}


def test_failed_queries_do_not_reset_the_wait_for_a_lost_job(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    spawn(runner)
    slurm.configure(jobs={})
    runner.poll(["run"])
    missing = paths_of(runner).missing
    noted = missing.read_text()
    slurm.configure(controller="down", accounting="down")
    (state,) = runner.poll(["run"])
    assert (state.answered, state.final) == (False, False)
    assert missing.read_text() == noted
    slurm.repair()
    write_json(missing, {"version": 1, "since": time.time() - 61})
    (state,) = runner.poll(["run"])
    assert state.failure is not None
    assert state.failure.kind == "lost"


def test_a_job_that_comes_back_is_no_longer_missing(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    job_id = spawn(runner)
    slurm.forget(job_id)
    slurm.change_job(job_id, in_accounts=False)
    runner.poll(["run"])
    assert paths_of(runner).missing.exists()
    slurm.change_job(job_id, in_queue=True, state="RUNNING")
    assert runner.get_status("run") == "running"
    assert not paths_of(runner).missing.exists()


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
    assert len(slurm.calls("sbatch")) == 5


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
    script = paths_of(runner).script
    assert script.read_text() in shown
    command = shlex.split(shown.splitlines()[0].removeprefix("# "))
    (call,) = slurm.calls("sbatch")
    token = slurm.only_job["comment"].removeprefix("tmgg:")
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


def test_waiting_survives_a_controller_that_is_away(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = SlurmRunner(PLAIN, clock=clock)
    job_id = spawn(runner)
    slurm.configure(controller="down", accounting="down")
    clock.after(200, slurm.repair)
    clock.after(300, lambda: slurm.change_job(job_id, state="CANCELLED", in_queue=False))
    (state,) = waiting.wait(runner, ["run"], clock=clock)
    assert state.failure is not None
    assert state.failure.kind == "cancelled"


def test_whoever_waits_for_an_interrupted_run_submits_it_again_once(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    first = spawn(runner, "interrupted")
    slurm.run(first)
    slurm.wait_for(first, "FAILED")
    (state,) = runner.poll(["run"])
    assert (state.status, state.resumable) == ("failed", True)
    assert state.failure is not None
    assert state.failure.kind == "timeout"
    assert runner.go_on(state)
    assert SlurmRunner(PLAIN).go_on(state), "another process that waits for it"
    _first, second = slurm.jobs
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
    ended = {state.run_id: state.status for state in waiting.wait(runner, ["run", "other"])}
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
