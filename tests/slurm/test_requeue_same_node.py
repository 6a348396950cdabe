"""A job that starts again on the node of its start before, under every bootstrap."""

import json

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import Login
from tests.slurm.test_preemption import preempt
from tests.slurm.trial import Trial

LONG = pytest.mark.long
# Ray on a busy machine takes a minute.
RAY_STARTS_WITHIN_S = 150
BOOTSTRAPS = [
    pytest.param("symmetric-run"),
    pytest.param("managed", marks=LONG),
    pytest.param("none", marks=LONG),
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("bootstrap", BOOTSTRAPS)
def test_a_job_requeued_onto_its_node_runs_again_and_leaves_nothing_when_it_is_cancelled(
    trial: Trial, bob: Login, bootstrap: str
) -> None:
    trial.settings |= {"ray_bootstrap": bootstrap, "nodelist": "node1", "requeue": True}
    run_id = trial.spawn("hold", slurm={"mem_per_cpu": "2GB"})
    trial.wait_for_starts(run_id, 1, timeout_s=RAY_STARTS_WITHIN_S)
    job_id = trial.job_id(run_id)
    first = folders(trial.login.cluster)
    # What another user could make if the name of the next start were to be guessed.
    bob.cluster.run(["mkdir", "-p", f"/tmp/tmgg-{job_id}"], user="bob", machine="node1")
    trial.login.run("scontrol", "requeue", job_id)
    trial.wait_for_starts(run_id, 2, timeout_s=RAY_STARTS_WITHIN_S)
    second = folders(trial.login.cluster)
    assert len(first) == len(second) == (0 if bootstrap == "none" else 1)
    assert not set(first) & set(second)
    assert all(folder["mode"] == "700" for folder in second.values())
    trial.call("cancel", run_id)
    trial.wait_until(lambda: not folders(trial.login.cluster), "the folder's end", 60)
    assert [start.split()[3] for start in trial.starts(run_id)] == ["node1", "node1"]


@LONG
@pytest.mark.timeout(400)
@pytest.mark.parametrize("bootstrap", [param.values[0] for param in BOOTSTRAPS])
def test_a_job_preempted_from_its_node_completes_there(trial: Trial, bootstrap: str) -> None:
    trial.settings |= {"ray_bootstrap": bootstrap, "nodelist": "node1", "requeue": True}
    trial.settings |= {"partition": "scavenge"}
    run_id = trial.spawn("hold_at_first", slurm={"mem_per_cpu": "2GB"})
    trial.wait_for_starts(run_id, 1, timeout_s=RAY_STARTS_WITHIN_S)
    waiting = trial.start("result", run_id)
    preempt(trial)
    result = trial.finish(waiting, timeout_s=240).answer
    assert (result["status"], result["attempts"]) == ("completed", 2)
    assert [start.split()[3] for start in trial.starts(run_id)] == ["node1", "node1"]
    trial.wait_until(lambda: not folders(trial.login.cluster), "the folder's end", 60)


def folders(cluster: Cluster) -> dict[str, dict[str, str]]:
    """Alice's folders for Ray on node1, and their permissions."""
    printed = '{"path": "%p", "mode": "%m"}\\n'
    found = cluster.run(
        ["find", "/tmp", "-maxdepth", "1", "-name", "tmgg-*", "-user", "alice", "-printf", printed],
        user="root",
        machine="node1",
    )
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    return {row["path"]: row for row in rows}
