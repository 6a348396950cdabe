"""Jobs whose /tmp and /dev/shm are their own on each node (job_container/tmpfs)."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import Cluster, ClusterOptions
from tests.slurm.login import PROJECT, PYTHON, Login
from tests.slurm.trial import Trial, config, new_id

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]
MODULE = """
import os
from pathlib import Path

from tmgg.experiment_utils.job.context import current_run


def look(config):
    Path("seen").write_text(repr(sorted(path.name for path in Path("/tmp").iterdir())))
    if not config.with_ray:
        return {"nodes": 1}
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
    if not ray.is_initialized():
        ray.init(address="auto")
    task = ray.remote(num_cpus=0)(lambda: os.uname().nodename)
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    there = ray.get([task.options(scheduling_strategy=On(node, soft=False)).remote()
                     for node in alive])
    return {"nodes": len(set(there))}
"""


@pytest.fixture(scope="module")
def private(can_run_slurm: None) -> Iterator[Cluster]:
    cluster = Cluster(
        ClusterOptions(
            name=f"tmp{os.getpid()}",
            nodes=3,
            accounting=False,
            private_tmp=True,
            release=os.environ.get("TMGG_TEST_RELEASE"),
        )
    )
    folders = list(
        dict.fromkeys([PROJECT, PYTHON.parents[1], Path(sys.prefix), Path(sys.base_prefix)])
    )
    cluster.up(expose=folders)
    # What is in the node's own /tmp no job must see.
    for node in cluster.options.node_names:
        cluster.run(["touch", "/tmp/of-the-node"], user="root", machine=node, check=True)
    yield cluster
    cluster.down(purge=True)


@pytest.fixture
def trial(private: Cluster, request: pytest.FixtureRequest) -> Iterator[Trial]:
    login = Login.new(private, user="alice", name=request.node.name)
    login.write("looking.py", MODULE)
    yield Trial(login)
    login.cancel_all()


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("bootstrap", ["managed", "symmetric-run", "none"])
def test_a_run_has_its_nodes_and_sees_no_other_tmp(
    trial: Trial, bootstrap: str, nodes: int
) -> None:
    if bootstrap == "none" and nodes > 1:
        pytest.skip("without Ray and ranks a run has one node")
    trial.settings |= {
        "nodes": nodes, "ray_bootstrap": bootstrap, "mem_per_cpu": "2GB",
        "exclusive": bootstrap == "symmetric-run",
    }  # fmt: skip
    run_id = new_id()
    asked = config("look", with_ray=bootstrap != "none")
    asked["experiment"]["_target_"] = "looking:look"
    reply = trial.call("spawn", run_id, config=asked)
    assert reply.error is None, reply.message
    result = trial.result(run_id, timeout_s=240)
    assert (result["status"], result["metrics"].get("nodes")) == ("completed", nodes), result
    assert "of-the-node" not in trial.login.read("seen")


@pytest.mark.parametrize("nodes", [1, 3])
def test_ranks_and_packed_runs_complete(trial: Trial, nodes: int) -> None:
    trial.settings |= {"nodes": nodes, "tasks_per_node": 2, "mem_per_cpu": "2GB"}
    ranked = trial.spawn("quick", value=2.0)
    assert trial.result(ranked, timeout_s=240)["status"] == "completed"
    packed = trial.settings | {
        "tasks_per_node": None, "ray_bootstrap": "managed", "sweep_mode": "packed",
    }  # fmt: skip
    code = (
        "import json\n"
        "from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner\n"
        f"runner = SlurmRunner(SlurmConfig(**{packed!r}))\n"
        f"configs = [{config('quick')!r} | {{'value': float(k)}} for k in range(6)]\n"
        "results = runner.run_sweep(configs, parallelism=6)\n"
        "print(json.dumps([r.metrics.get('value') for r in results]))\n"
    )
    assert trial.login.python(code, timeout_s=300) == [float(k) for k in range(6)]
