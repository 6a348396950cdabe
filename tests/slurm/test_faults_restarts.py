"""Jobs that Slurm starts again, and nodes that die: only the last start's result counts."""

from collections.abc import Iterator

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import power_off, settings
from tests.slurm.trial import Trial, within


@pytest.fixture(scope="module")
def brisk(cluster: Cluster) -> Iterator[None]:
    """The controller gives a silent node up soon, yet none that is only busy."""
    with settings(cluster, SlurmdTimeout="10"):
        yield


def test_a_requeued_job_runs_again_and_its_last_start_counts(trial: Trial) -> None:
    run_id = trial.held("hold_at_first", slurm={"requeue": True})
    waiting = trial.start("result", run_id)
    trial.login.run("scontrol", "requeue", trial.job_id(run_id))
    with within(40):
        result = trial.finish(waiting).answer
    assert result["status"] == "completed"
    assert result["attempts"] == 2
    assert result["metrics"]["attempt"] == 2
    assert len(trial.starts(run_id)) == 2


def test_the_result_of_an_earlier_start_never_counts(trial: Trial) -> None:
    run_id = trial.held("finish_when_told_to_end", slurm={"requeue": True})
    files = trial.files(run_id)
    waiting = trial.start("result", run_id)
    trial.login.run("scontrol", "requeue", trial.job_id(run_id))
    with within(40):
        result = trial.finish(waiting).answer
    assert (result["metrics"]["attempt"], result["attempts"]) == (2, 2)
    stale = files.folder / "result.json.before-restart-1"
    assert '"restart": 0' in stale.read_text()
    assert len(trial.starts(run_id)) == 2


def test_while_it_waits_for_its_second_start_a_run_is_pending(trial: Trial) -> None:
    run_id = trial.held("finish_when_told_to_end", slurm={"requeue": True})
    job_id = trial.job_id(run_id)
    trial.login.run("scontrol", "requeuehold", job_id)
    trial.wait_for_slurm(job_id, "PENDING")
    state = trial.state(run_id)
    assert (state["status"], state["final"], state["attempt"]) == ("pending", False, 2)
    trial.login.run("scontrol", "release", job_id)
    with within(40):
        assert trial.result(run_id)["metrics"]["attempt"] == 2


def test_a_completed_run_that_is_requeued_does_not_run_again(trial: Trial) -> None:
    run_id = trial.spawn()
    job_id = trial.job_id(run_id)
    before = trial.result(run_id)
    trial.wait_for_slurm(job_id, "COMPLETED")
    trial.login.run("scontrol", "requeue", job_id)
    trial.wait_until(lambda: _restarts(trial, job_id) == "1", "the second start")
    trial.wait_for_slurm(job_id, "COMPLETED")
    with within(5):
        assert trial.result(run_id) == before
    assert len(trial.starts(run_id)) == 1


def test_preemption_with_requeue_runs_again(trial: Trial) -> None:
    trial.settings |= {"partition": "scavenge", "requeue": True}
    run_id = trial.held("hold_at_first")
    waiting = trial.start("result", run_id)
    _preempt(trial)
    with within(60):
        result = trial.finish(waiting).answer
    assert (result["status"], result["attempts"]) == ("completed", 2)
    assert len(trial.starts(run_id)) == 2


def test_preemption_without_requeue_is_reported(trial: Trial) -> None:
    trial.settings |= {"partition": "scavenge", "requeue": False}
    run_id = trial.held()
    waiting = trial.start("result", run_id)
    _preempt(trial)
    with within(30):
        result = trial.finish(waiting).answer
    assert result["failure"]["kind"] == "preempted"
    assert "slurm_requeue=true" in result["failure"]["hint"]
    assert len(trial.starts(run_id)) == 1


@pytest.mark.parametrize(
    "silent",
    [
        pytest.param(False, id="power"),
        # Nobody is told: connections hang.
        pytest.param(True, id="power-and-network", marks=[pytest.mark.long]),
    ],
)
def test_a_node_that_dies_fails_a_run_or_makes_it_run_elsewhere(
    brisk: None, trial: Trial, cluster: Cluster, silent: bool
) -> None:
    failing = trial.held(slurm={"requeue": False})
    again = trial.held("hold_at_first", slurm={"requeue": True})
    node = _node(trial, failing)
    assert _node(trial, again) == node, "Slurm fills one node after the other"
    waiting = [trial.start("result", run_id) for run_id in (failing, again)]
    with power_off(cluster, node, silent=silent), within(120):
        failed, completed = (trial.finish(each, timeout_s=150).answer for each in waiting)
    assert failed["failure"]["kind"] == "node_fail"
    assert "slurm_exclude" in failed["failure"]["hint"]
    assert len(trial.starts(failing)) == 1
    assert (completed["status"], completed["attempts"]) == ("completed", 2)
    assert len(trial.starts(again)) == 2
    assert _node(trial, again) != node


def _preempt(trial: Trial) -> None:
    """A job of a better partition that needs all nodes, for a second."""
    argv = ["sbatch", "--partition=gpu", "--nodes=4", "--exclusive", "--output=/dev/null"]
    trial.login.run(*argv, "--wrap", "sleep 1")


def _node(trial: Trial, run_id: str) -> str:
    return trial.starts(run_id)[-1].split()[3]


def _restarts(trial: Trial, job_id: str) -> str:
    shown = trial.login.run(
        "squeue", "--noheader", "--states=all", "--Format=RestartCnt", f"--jobs={job_id}"
    )
    return shown.stdout.strip()
