"""A controller that lost its state gives the same job numbers out again."""

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import Login
from tests.slurm.outages import IMPATIENT, without
from tests.slurm.trial import Trial

STATE = "/var/lib/slurm/slurmctld"


def lose_state(cluster: Cluster) -> None:
    """The controller begins again with job 1, as after a disk that was lost."""
    with without(cluster, "slurmctld"):
        cluster.machine("ctl").run_as_root(["find", STATE, "-mindepth", "1", "-delete"])


def use_up_numbers(login: Login, before: str) -> None:
    """The next job that is submitted has this number."""
    last = 0
    while last < int(before) - 1:
        done = login.run("sbatch", "--parsable", "--hold", "--wrap=true")
        last = int(done.stdout)
        login.run("scancel", str(last))


@pytest.mark.long
def test_another_job_with_the_number_of_ours_is_neither_believed_nor_cancelled(
    trial: Trial, cluster: Cluster
) -> None:
    trial.client = IMPATIENT
    run_id = trial.spawn("quick", slurm={"extra_args": ["--hold"]})
    job_id = trial.job_id(run_id)
    lose_state(cluster)
    use_up_numbers(trial.login, job_id)
    other = trial.held()
    assert trial.job_id(other) == job_id, "the controller did not begin again"
    state = trial.state(run_id)
    assert (state["status"], state["final"]) == ("pending", False), state
    assert "number to another job" in state["note"]
    done = trial.login.run("tmgg-jobs", "cancel", run_id, check=False)
    assert trial.slurm_state(job_id) == "RUNNING", done.stdout + done.stderr
    assert trial.state(run_id)["failure"]["kind"] == "cancelled"
    trial.go()
    assert trial.result(other)["status"] == "completed"
    assert trial.starts(run_id) == []
