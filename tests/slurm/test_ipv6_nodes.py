"""Nodes that have IPv6 addresses only: Ray, ranks and doctor, on one node and on three."""

import json
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


def on_ray(config):
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
    if not ray.is_initialized():
        ray.init(address="auto")
    task = ray.remote(num_cpus=0)(lambda: os.uname().nodename)
    alive = [node for node in ray.nodes() if node["Alive"]]
    there = ray.get([task.options(scheduling_strategy=On(node["NodeID"], soft=False)).remote()
                     for node in alive])
    ipv6 = sum(":" in node["NodeManagerAddress"] for node in alive)
    return {"nodes": len(set(there)), "ipv6": ipv6}


def on_ranks(config):
    import torch
    import torch.distributed
    torch.distributed.init_process_group("gloo")
    mine = torch.ones(1)
    torch.distributed.all_reduce(mine)
    torch.distributed.destroy_process_group()
    return {"ranks": float(mine), "ipv6": float(":" in os.environ["MASTER_ADDR"])}
"""


@pytest.fixture(scope="module")
def ipv6(can_run_slurm: None) -> Iterator[Cluster]:
    cluster = Cluster(
        ClusterOptions(
            name=f"v6-{os.getpid()}", nodes=3, accounting=False, ipv6=True,
            release=os.environ.get("TMGG_TEST_RELEASE"),
        )
    )  # fmt: skip
    folders = [PROJECT, PYTHON.parents[1], Path(sys.prefix), Path(sys.base_prefix)]
    cluster.up(expose=list(dict.fromkeys(folders)))
    yield cluster
    cluster.down(purge=True)


@pytest.fixture
def trial(ipv6: Cluster, request: pytest.FixtureRequest) -> Iterator[Trial]:
    login = Login.new(ipv6, user="alice", name=request.node.name)
    login.write("ipv6_only.py", MODULE)
    yield Trial(login)
    login.cancel_all()


@pytest.mark.parametrize(
    ("bootstrap", "nodes"),
    [("managed", 1), ("managed", 3), ("symmetric-run", 1), ("symmetric-run", 3)],
)
def test_ray_has_the_nodes_by_their_ipv6_addresses(
    trial: Trial, bootstrap: str, nodes: int
) -> None:
    trial.settings |= {
        "nodes": nodes, "ray_bootstrap": bootstrap, "mem_per_cpu": "2GB",
        "exclusive": bootstrap == "symmetric-run",
    }  # fmt: skip
    assert metrics(trial, "on_ray") == {"nodes": nodes, "ipv6": nodes}


def test_the_interface_asked_for_is_found_by_its_ipv6_address(trial: Trial) -> None:
    trial.settings |= {
        "nodes": 3, "ray_bootstrap": "managed", "mem_per_cpu": "2GB", "network_interface": "eth0",
    }  # fmt: skip
    assert metrics(trial, "on_ray") == {"nodes": 3, "ipv6": 3}


@pytest.mark.parametrize("nodes", [1, 3])
def test_ranks_find_each_other(trial: Trial, nodes: int) -> None:
    trial.settings |= {"nodes": nodes, "tasks_per_node": 2, "mem_per_cpu": "1GB"}
    assert metrics(trial, "on_ranks") == {"ranks": 2.0 * nodes, "ipv6": 1.0}


def metrics(trial: Trial, function: str) -> dict[str, float]:
    run_id = new_id()
    asked = config("quick") | {"experiment": {"_target_": f"ipv6_only:{function}"}}
    reply = trial.call("spawn", run_id, config=asked)
    assert reply.error is None, reply.message
    result = trial.result(run_id, timeout_s=240)
    assert result["status"] == "completed", json.dumps(result)
    return dict(result["metrics"])
