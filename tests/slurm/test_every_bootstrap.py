"""A GPU on one node and on three, with each way that an experiment starts on its nodes."""

import json
from typing import Any

import pytest

from tests.slurm.trial import Trial, config, new_id

MODULE = """
import os


def on_ray(config):
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
    if not ray.is_initialized():
        ray.init(address="auto")
    task = ray.remote(num_cpus=0, num_gpus=1)(seen)
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    there = ray.get([task.options(scheduling_strategy=On(node, soft=False)).remote()
                     for node in alive])
    return {"nodes": len({node for node, _ in there}), "gpus": sum(gpus for _, gpus in there)}


def on_ranks(config):
    import torch
    import torch.distributed
    torch.distributed.init_process_group("gloo")
    everywhere = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everywhere, seen())
    torch.distributed.destroy_process_group()
    return {"nodes": len({node for node, _ in everywhere}),
            "gpus": sum(gpus for _, gpus in everywhere)}


def alone(config):
    return {"nodes": 1, "gpus": seen()[1]}


def seen():
    gpus = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    return os.uname().nodename, len(gpus)
"""
BOOTSTRAPS: dict[str, dict[str, Any]] = {
    "symmetric-run": {"ray_bootstrap": "symmetric-run", "exclusive": True},
    "managed": {"ray_bootstrap": "managed"},
    "ranks": {"ray_bootstrap": "none", "tasks_per_node": 1},
    "ranks beside Ray": {"ray_bootstrap": "managed", "tasks_per_node": 1},
    "none": {"ray_bootstrap": "none"},
}


@pytest.mark.long
@pytest.mark.every_release
@pytest.mark.usefixtures("swept_nodes")
@pytest.mark.parametrize(
    ("bootstrap", "function", "nodes"),
    [
        ("symmetric-run", "on_ray", 1),
        ("symmetric-run", "on_ray", 3),
        ("managed", "on_ray", 1),
        ("managed", "on_ray", 3),
        ("ranks", "on_ranks", 1),
        ("ranks", "on_ranks", 3),
        ("ranks beside Ray", "on_ranks", 3),
        ("none", "alone", 1),
    ],
)
def test_each_bootstrap_has_a_gpu_on_each_node_and_returns_metrics(
    trial: Trial, bootstrap: str, function: str, nodes: int
) -> None:
    trial.login.write("every.py", MODULE)
    trial.settings |= {
        "nodes": nodes, "gpus_per_task": 1, "mem_per_cpu": "2GB", **BOOTSTRAPS[bootstrap],
    }  # fmt: skip
    asked = config("quick") | {"experiment": {"_target_": f"every:{function}"}}
    reply = trial.call("spawn", new_id(), config=asked)
    assert reply.error is None, reply.message
    result = trial.result(reply.answer["run_id"], timeout_s=240)
    assert result["status"] == "completed", json.dumps(result)
    assert result["metrics"] == {"nodes": nodes, "gpus": nodes}
    assert len(result["nodes"]) == nodes
