"""Verdicts without the accounting database, without any, and with jobs that Slurm has forgotten."""

from collections.abc import Iterator
from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import IMPATIENT, settings, without
from tests.slurm.trial import Trial, kill_batch_script, within

NO_ACCOUNTING = {
    "AccountingStorageType": "accounting_storage/none",
    "AccountingStorageEnforce": "",
    "AccountingStorageHost": "",
    "AccountingStoragePort": "",
    "AccountingStorageTRES": "",
    "MinJobAge": "2",
}
FORGETFUL = {"MinJobAge": "2"}


@pytest.fixture(scope="module", params=["without accounting", "with accounting"])
def forgetful(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Slurmctld forgets a job seconds after its end; with and without a database to ask."""
    lines = NO_ACCOUNTING if request.param == "without accounting" else FORGETFUL
    with settings(cluster, **lines):
        yield request.param


@pytest.mark.smoke
def test_runs_that_slurm_forgot_end_as_they_did(forgetful: str, trial: Trial) -> None:
    trial.settings |= {"lost_grace_s": 2.0, "poll_interval_s": 1.0}
    killed, cancelled, cancelled_by_root = (trial.held() for _ in range(3))
    runs = {
        trial.spawn("quick"): None,
        trial.spawn("fail"): "user_error",
        trial.spawn("hold", options={"timeout_seconds": 1}): "timeout",
        trial.spawn("quick", slurm={"setup_commands": ["conda activate tmgg"]}): "environment",
        killed: "lost",
        cancelled: "cancelled",
        cancelled_by_root: "cancelled",
    }
    trial.login.run("scancel", trial.job_id(cancelled))
    trial.login.cluster.run(["scancel", trial.job_id(cancelled_by_root)], user="root", check=True)
    kill_batch_script(trial, killed)
    for run_id in runs:
        _wait_until_forgotten(trial, run_id, forgetful)
    with within(20):
        kinds = {run_id: _kind(trial.result(run_id)) for run_id in runs}
    assert kinds == runs


def test_a_pending_job_that_slurm_forgot_is_not_waited_for(forgetful: str, trial: Trial) -> None:
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    run_id = trial.spawn(slurm={"extra_args": ["--hold"]})
    trial.login.run("scancel", trial.job_id(run_id))
    _wait_until_forgotten(trial, run_id, forgetful)
    with within(10):
        result = trial.result(run_id)
    expected = "cancelled" if forgetful == "with accounting" else "lost"
    assert _kind(result) == expected, result
    assert trial.starts(run_id) == []


def test_whoever_waits_sees_an_end_that_slurm_forgets_between_two_questions(
    forgetful: str, trial: Trial
) -> None:
    run_id = trial.held()
    waiting = trial.start("result", run_id)
    trial.login.run("scancel", trial.job_id(run_id))
    with within(20):
        reply = trial.finish(waiting)
    assert _kind(reply.answer) == "cancelled", reply


def test_the_database_may_be_down(trial: Trial, cluster: Cluster) -> None:
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    with without(cluster, "slurmdbd"):
        killed, cancelled = trial.held(), trial.held()
        runs = {
            trial.spawn("quick"): None,
            trial.spawn("fail"): "user_error",
            trial.spawn("kill_itself", signal=11): "user_error",
            killed: "lost",
            cancelled: "cancelled",
        }
        trial.login.run("scancel", trial.job_id(cancelled))
        kill_batch_script(trial, killed)
        with within(30):
            kinds = {run_id: _kind(trial.result(run_id)) for run_id in runs}
    assert kinds == runs


def test_controller_and_database_may_be_down_together(trial: Trial, cluster: Cluster) -> None:
    trial.client = IMPATIENT
    run_id = trial.held()
    with without(cluster, "slurmctld"), without(cluster, "slurmdbd"):
        with within(30):
            assert trial.state(run_id)["status"] == "running"
        trial.go()
        with within(15):
            assert trial.result(run_id)["status"] == "completed"


def _kind(result: dict[str, Any]) -> str | None:
    return result["failure"]["kind"] if result["failure"] else None


def _wait_until_forgotten(trial: Trial, run_id: str, forgetful: str) -> None:
    job_id = trial.job_id(run_id)
    trial.wait_until(lambda: not trial.slurm_state(job_id), f"job {job_id} to be forgotten", 90)
    if forgetful == "with accounting":
        # The accounts hear of a job late.
        show = ("sacct", "--noheader", "--allocations", f"--jobs={job_id}", "--format=End")
        trial.wait_until(
            lambda: trial.login.run(*show).stdout.strip() not in ("", "Unknown"),
            f"the end of job {job_id} in the accounts",
            90,
        )
