"""However a managed job ends, nothing of it stays on a node that lives, and the kind is right."""

import time
from collections.abc import Iterator

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import Login
from tests.slurm.managed_jobs import ManagedJob, kill, pids, wait_for_clean_nodes, wait_until

# Minutes in all on two cores.
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("swept_nodes")]

NODES = ["node1", "node2", "node3"]
SUPERVISORS = "^[^ ]*python -u -m tmgg.experiment_utils.ray_cluster /shared"


@pytest.fixture
def held(alice: Login) -> Iterator[ManagedJob]:
    """A job on three nodes whose experiment waits."""
    job = ManagedJob.submit(alice, "held", nodes=3, nodelist="node[1-3]", requeue=False)
    job.started()
    yield job
    job.release()


def guardian_and_supervisor(cluster: Cluster, node: str) -> tuple[int, int]:
    guardian, supervisor = pids(cluster, node, SUPERVISORS)
    return guardian, supervisor


def test_a_cancelled_job_leaves_nothing(held: ManagedJob, alice: Login, cluster: Cluster) -> None:
    alice.run("scancel", held.job_id)
    wait_for_clean_nodes(cluster, NODES, user="alice")
    assert held.result()["failure"]["kind"] == "cancelled"


@pytest.mark.parametrize("node", ["node1", "node2"])
@pytest.mark.parametrize("which", [0, 1], ids=["guardian", "supervisor"])
def test_a_killed_supervisor_leaves_nothing_on_its_node(
    held: ManagedJob, cluster: Cluster, node: str, which: int
) -> None:
    kill(cluster, node, guardian_and_supervisor(cluster, node)[which])
    wait_for_clean_nodes(cluster, [node], user="alice")
    if node == "node1":
        wait_for_clean_nodes(cluster, NODES, user="alice")
        result = held.result()
        assert result["failure"]["kind"] == "node_fail", result
    else:
        wait_until(lambda: "ray_node_lost" in held.phases(), timeout_s=10, what="its phase")
        time.sleep(3)  # a step whose task was killed must not end soon after
        held.release()
        assert held.result()["status"] == "completed"
        wait_for_clean_nodes(cluster, NODES, user="alice")


@pytest.mark.parametrize("process", ["raylet", "gcs_server"])
def test_a_job_whose_head_lost_its_ray_does_not_hang(
    held: ManagedJob, cluster: Cluster, process: str
) -> None:
    kill(cluster, "node1", pids(cluster, "node1", f"/{process} ")[0])
    wait_until(lambda: "ray_head_lost" in held.phases(), timeout_s=10, what="its phase")
    result = held.result(timeout_s=120)
    assert result["failure"]["kind"] == "node_fail", result
    wait_for_clean_nodes(cluster, NODES, user="alice")


def test_a_crashed_entrypoint_leaves_nothing(held: ManagedJob, cluster: Cluster) -> None:
    kill(cluster, "node1", pids(cluster, "node1", "ray_cluster.entrypoint")[0])
    wait_for_clean_nodes(cluster, NODES, user="alice")
    result = held.result()
    assert result["failure"]["kind"] == "user_error"
    assert "SIGKILL" in result["error_message"]


@pytest.mark.long
@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("node", ["node1", "node3"])
def test_a_node_that_loses_power_leaves_nothing_on_the_others(
    held: ManagedJob, cluster: Cluster, node: str, silent: bool
) -> None:
    cluster.power_off(node, silent=silent)
    try:
        result = held.result(timeout_s=180)
        rest = [name for name in NODES if name != node]
        wait_for_clean_nodes(cluster, rest, user="alice")
    finally:
        cluster.power_on(node)
    assert result["failure"]["kind"] == "node_fail", result
