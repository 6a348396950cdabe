"""The managed bootstrap on real nodes: what a job gets, keeps from others, and leaves."""

from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import Login
from tests.slurm.managed_jobs import ManagedJob, wait_for_clean_nodes

pytestmark = pytest.mark.usefixtures("swept_nodes")

NODES = ["node1", "node2", "node3"]


@pytest.mark.smoke
def test_every_node_joins_with_the_jobs_share_and_nothing_stays(
    alice: Login, cluster: Cluster
) -> None:
    job = ManagedJob.submit(
        alice, "one", nodes=3, nodelist="node[1-3]", cpus_per_task=2, gpus_per_task=2, gpus=1
    )
    view = job.started()
    assert sorted(name for name, _ in view["nodes"]) == NODES
    for _, resources in view["nodes"]:
        assert resources["CPU"] == 2
        assert resources["GPU"] == 2
        memory = resources["memory"] + resources["object_store_memory"]
        assert memory == pytest.approx(2 * 500 * 1024**2, rel=0.01)
    assert sorted(task["node"] for task in view["tasks"]) == NODES
    assert all(task["tmp"].startswith("/tmp/tmgg-") for task in view["tasks"])
    job.release()
    result = job.result()
    assert result["status"] == "completed", result["error_message"]
    wait_for_clean_nodes(cluster, NODES, user="alice")
    phases = job.phases()
    order = ["batch_start", "environment_ready", "ray_start", "ray_head_up", "ray_nodes_up",
             "entrypoint_start", "entrypoint_end", "ray_end", "batch_end"]  # fmt: skip
    assert [name for name in phases if name in order] == order
    # A second on an idle machine; a node that did not tell of its end would be waited for for 20.
    assert phases["batch_end"] - phases["entrypoint_end"] < 15


@pytest.mark.long
def test_two_users_and_one_user_twice_share_nodes_without_noticing(
    alice: Login, bob: Login, cluster: Cluster
) -> None:
    share: dict[str, Any] = {"nodes": 3, "nodelist": "node[1-3]", "gpus_per_task": 1, "gpus": 1}
    jobs = [
        ManagedJob.submit(alice, "first", **share),
        ManagedJob.submit(alice, "second", **share),
        ManagedJob.submit(bob, "third", **share),
    ]
    views = [job.started() for job in jobs]
    assert len({view["gcs"] for view in views}) == 3
    for job, view in zip(jobs, views, strict=True):
        assert sorted(name for name, _ in view["nodes"]) == NODES
        assert view["resources"]["CPU"] == 3
        assert view["resources"]["GPU"] == 3
        assert {task["job"] for task in view["tasks"]} == {job.job_id}
    for node in NODES:
        gpus = [task["gpus"] for view in views for task in view["tasks"] if task["node"] == node]
        assert len(set(gpus)) == 3
    jobs[0].release()
    assert jobs[0].result()["status"] == "completed"
    assert jobs[1].result()["status"] == "completed"
    # The end of alice's jobs is nothing to bob's.
    wait_for_clean_nodes(cluster, NODES, user="alice")
    jobs[2].release()
    result = jobs[2].result()
    assert result["status"] == "completed", result["error_message"]
    assert result["metrics"] == {"nodes": 3, "gpus": 3}
    wait_for_clean_nodes(cluster, NODES, user="bob")
