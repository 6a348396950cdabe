"""The controller is down: at submission, while polling, at the job's end, when cancelling."""

import time

import pytest

from slurm_cluster import Cluster
from slurm_cluster.releases import root_of, slurm_version
from tests.slurm.outages import IMPATIENT, without
from tests.slurm.trial import Trial, config, new_id, within

OUTAGES_S = [12, pytest.param(60, marks=[pytest.mark.long])]


@pytest.mark.parametrize("outage_s", OUTAGES_S)
def test_a_submission_waits_for_the_controller(
    trial: Trial, cluster: Cluster, outage_s: float
) -> None:
    run_id = new_id()
    with without(cluster, "slurmctld"):
        process = trial.start("run", run_id, config=config("quick"))
        time.sleep(outage_s)
    with within(60):
        reply = trial.finish(process)
    assert reply.answer["status"] == "completed", reply
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


def test_an_answer_lost_with_the_controller_is_looked_up_when_it_is_back(
    trial: Trial, cluster: Cluster
) -> None:
    run_id = new_id()
    answer_later = "until [ -e down ]; do sleep 0.1; done; echo 'timed out' >&2; exit 1"
    trial.wrap_sbatch(f'"$real" "$@" > /dev/null; {answer_later}')
    process = trial.start("run", run_id, config=config("quick"), slurm={"extra_args": ["--hold"]})
    trial.wait_until(lambda: len(trial.jobs()) == 1, "the job")
    with without(cluster, "slurmctld"):
        trial.login.write("down", "")
        time.sleep(5)
    trial.login.run("scontrol", "release", *trial.jobs())
    with within(60):
        reply = trial.finish(process)
    assert reply.answer["status"] == "completed", reply
    assert reply.calls["sbatch"] == 1
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


def test_a_submission_that_nobody_can_tell_about_stays_open_until_somebody_can(
    trial: Trial, cluster: Cluster
) -> None:
    run_id = new_id()
    trial.client = {"query_timeout_s": 2, "submit_timeout_s": 2}
    with without(cluster, "slurmctld"):
        with within(30):
            reply = trial.call(
                "spawn", run_id, config=config("quick"), slurm={"submit_timeout_s": 3.0}
            )
        assert reply.error == "SubmissionUnknownError", reply
        assert "Do not submit it again" in reply.message
        assert trial.state(run_id)["status"] == "pending"
        refused = trial.call("retry", run_id)
        assert refused.error == "RunExistsError"
    trial.client = {}
    with within(30):
        state = trial.wait_for_state(run_id, final=True)
    assert state["failure"]["kind"] == "submission"
    assert trial.call("retry", run_id).error is None
    assert trial.result(run_id)["status"] == "completed"
    assert len(trial.jobs()) == 1
    assert len(trial.starts(run_id)) == 1


@pytest.mark.parametrize("outage_s", [5, pytest.param(60, marks=[pytest.mark.long])])
def test_a_run_stays_running_while_the_controller_is_silent(
    trial: Trial, cluster: Cluster, outage_s: float
) -> None:
    if outage_s < 60:
        trial.client = IMPATIENT
    run_id = trial.held()
    waiting = trial.start("result", run_id)
    with without(cluster, "slurmctld"):
        with within(30):
            assert trial.state(run_id)["status"] == "running"
        time.sleep(outage_s)
        assert trial.state(run_id)["final"] is False
    trial.go()
    with within(30):
        assert trial.finish(waiting).answer["status"] == "completed"
    assert len(trial.starts(run_id)) == 1


def test_a_result_needs_no_controller(trial: Trial, cluster: Cluster) -> None:
    run_id = trial.held()
    with without(cluster, "slurmctld"):
        trial.go()
        trial.wait_until(trial.files(run_id).ended.exists, "the job's exit record")
        with within(3):
            reply = trial.call("result", run_id)
        assert reply.answer["status"] == "completed", reply
        assert reply.calls == {}
    assert len(trial.starts(run_id)) == 1


def test_whoever_waits_gets_the_result_although_the_controller_died(
    trial: Trial, cluster: Cluster
) -> None:
    trial.client = IMPATIENT
    run_id = trial.held()
    waiting = trial.start("result", run_id)
    with without(cluster, "slurmctld"):
        trial.go()
        with within(30):
            assert trial.finish(waiting).answer["status"] == "completed"


def test_a_failure_is_reported_after_the_grace_without_the_controller(
    trial: Trial, cluster: Cluster
) -> None:
    if slurm_version(root_of(cluster.options.release)) >= (26, 5):
        pytest.skip("srun waits for the controller, and without a result nobody else knows the end")
    trial.client = IMPATIENT
    trial.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    run_id = trial.spawn("hold_then_die")
    trial.wait_for_starts(run_id, 1)
    with without(cluster, "slurmctld"):
        trial.go()
        trial.wait_until(trial.files(run_id).ended.exists, "the job's exit record")
        with within(15):
            result = trial.result(run_id)
    assert result["failure"]["kind"] == "user_error"
    assert "SIGSEGV" in result["failure"]["message"]


@pytest.mark.long
def test_a_job_that_ended_during_a_minute_without_controller_keeps_its_result(
    trial: Trial, cluster: Cluster
) -> None:
    run_id = trial.held()
    with without(cluster, "slurmctld"):
        trial.go()
        time.sleep(60)
    with within(10):
        result = trial.result(run_id)
    assert result["status"] == "completed"
    assert len(trial.starts(run_id)) == 1


def test_cancelling_says_that_it_could_not_and_can_be_repeated(
    trial: Trial, cluster: Cluster
) -> None:
    run_id = trial.held()
    trial.client = IMPATIENT
    with without(cluster, "slurmctld"):
        with within(30):
            reply = trial.call("cancel", run_id)
        assert reply.error == "QueryError", reply
    trial.client = {}
    with within(30):
        assert trial.call("cancel", run_id).answer is True
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "cancelled"
