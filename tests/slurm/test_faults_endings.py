"""Jobs that do not end by themselves, or not well: cancelled, killed, out of time."""

import pytest

from slurm_cluster import Cluster
from tests.slurm.trial import Trial, config, kill_batch_script, new_id, within


@pytest.mark.parametrize("user", ["alice", "root"])
def test_scancel_ends_a_run_as_cancelled(trial: Trial, cluster: Cluster, user: str) -> None:
    run_id = trial.held()
    waiting = trial.start("result", run_id)
    cluster.run(["scancel", trial.job_id(run_id)], user=user, check=True)
    with within(15):
        reply = trial.finish(waiting)
    result = reply.answer
    assert reply.calls.get("squeue", 0) <= 10
    assert reply.calls.get("sacct", 0) <= 1
    assert result["failure"]["kind"] == "cancelled"
    assert "tmgg-jobs retry" in result["failure"]["hint"]
    assert len(trial.starts(run_id)) == 1


def test_scancel_of_a_pending_job_ends_its_run_as_cancelled(trial: Trial) -> None:
    run_id = trial.spawn(slurm={"extra_args": ["--hold"]})
    trial.login.run("scancel", trial.job_id(run_id))
    with within(5):
        assert trial.result(run_id)["failure"]["kind"] == "cancelled"
    assert trial.starts(run_id) == []


@pytest.mark.smoke
def test_cancelling_a_running_run_ends_its_job(trial: Trial) -> None:
    run_id = trial.held()
    with within(15):
        assert trial.call("cancel", run_id).answer is True
        result = trial.result(run_id)
    assert "cancelled with TMGG" in result["failure"]["message"]
    assert trial.slurm_state(trial.job_id(run_id)) == "CANCELLED"
    assert trial.call("cancel", run_id).answer is False


def test_cancelling_a_pending_run_ends_its_job(trial: Trial) -> None:
    run_id = trial.spawn(slurm={"extra_args": ["--hold"]})
    with within(5):
        assert trial.call("cancel", run_id).answer is True
        assert trial.result(run_id)["failure"]["kind"] == "cancelled"
    assert trial.slurm_state(trial.job_id(run_id)) == "CANCELLED"


def test_a_run_cancelled_while_it_is_submitted_never_starts(trial: Trial) -> None:
    run_id = new_id()
    trial.wrap_sbatch('touch begun; until [ -e go-on ]; do sleep 0.1; done; exec "$real" "$@"')
    submitting = trial.start("spawn", run_id, config=config("quick"))
    trial.wait_until((trial.login.host_folder / "begun").exists, "sbatch")
    with within(5):
        assert trial.call("cancel", run_id).answer is True
        assert trial.result(run_id)["failure"]["kind"] == "cancelled"
    trial.login.write("go-on", "")
    assert trial.finish(submitting).error is None
    for job_id in trial.jobs():
        trial.wait_for_slurm(job_id, "CANCELLED", "COMPLETED")
    assert trial.starts(run_id) == []


def test_timeout_seconds_ends_a_run_with_its_own_words(trial: Trial) -> None:
    run_id = trial.spawn("hold", options={"timeout_seconds": 1})
    with within(15):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "timeout"
    assert "timeout_seconds" in result["failure"]["message"]
    assert "slurm_time_limit" in result["failure"]["hint"]


def test_the_time_limit_ends_a_run_as_a_timeout(trial: Trial, cluster: Cluster) -> None:
    run_id = trial.held()
    waiting = trial.start("result", run_id)
    _bring_end_near(cluster, trial.job_id(run_id))
    with within(60):
        result = trial.finish(waiting).answer
    assert result["failure"]["kind"] == "timeout"
    assert "slurm_time_limit" in result["failure"]["hint"]


@pytest.mark.long
def test_a_time_limit_of_a_minute_ends_an_experiment_that_ignores_term(trial: Trial) -> None:
    run_id = trial.held("ignore_term", slurm={"time_limit": "1"}, options={"timeout_seconds": 600})
    with within(150):
        result = trial.result(run_id, timeout_s=200)
    assert result["failure"]["kind"] == "timeout"
    assert len(trial.starts(run_id)) == 1


@pytest.mark.smoke
def test_a_batch_script_that_is_killed_is_reported_at_once(trial: Trial) -> None:
    run_id = trial.held()
    waiting = trial.start("result", run_id)
    kill_batch_script(trial, run_id)
    with within(40):
        result = trial.finish(waiting).answer
    assert result["failure"]["kind"] == "lost"
    assert "SIGKILL" in result["failure"]["message"]
    assert len(trial.starts(run_id)) == 1


def test_a_setup_command_that_kills_the_batch_script_is_reported_at_once(trial: Trial) -> None:
    run_id = trial.spawn(slurm={"setup_commands": ["kill -9 $$"]})
    with within(10):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "lost"
    assert "SIGKILL" in result["failure"]["message"]
    assert trial.starts(run_id) == []


@pytest.mark.parametrize(("signal", "name"), [(11, "SIGSEGV"), (9, "SIGKILL")])
def test_an_experiment_that_dies_of_a_signal_is_a_failure_that_names_it(
    trial: Trial, signal: int, name: str
) -> None:
    run_id = trial.spawn("kill_itself", signal=signal)
    with within(10):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "user_error"
    assert name in result["failure"]["message"]
    assert len(trial.starts(run_id)) == 1


def test_an_experiment_that_raises_is_a_failure_in_its_own_words(trial: Trial) -> None:
    run_id = trial.spawn("fail")
    with within(10):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "user_error"
    assert "ValueError: beta must not be negative" in result["failure"]["message"]


def test_an_old_failure_is_not_read_as_the_reason_of_a_new_one(trial: Trial) -> None:
    run_id = trial.held("die_later")
    trial.login.run("scancel", trial.job_id(run_id))
    assert trial.result(run_id)["failure"]["kind"] == "cancelled"
    files = trial.files(run_id)
    assert "CANCELLED AT" in files.run_paths.stderr.read_text()
    assert trial.call("retry", run_id).error is None
    with within(15):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "user_error"
    assert "SIGSEGV" in result["failure"]["message"]
    assert "CANCELLED AT" not in result["failure"]["message"]
    assert result["attempts"] == 2


def _bring_end_near(cluster: Cluster, job_id: str) -> None:
    """Slurm's time limits are whole minutes; its end can be set to the second."""
    show = ["scontrol", "update", f"jobid={job_id}", "EndTime=now+1seconds"]
    cluster.run(show, user="root", check=True)
