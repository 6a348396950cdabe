"""Node-hours, GPU-hours, and the billing units of a partition's weights."""

from typing import Any

import pytest

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.planning.costs import Cost, cost_of, parse_weights
from tmgg.experiment_utils.cloud.slurm.site.site import Node

NODE = Node(
    name="n1", cpus=64, memory_mb=512 * 1024, gpus={"a100": 4}, state="idle", features=frozenset()
)
PART: dict[str, Any] = {
    "nodes": 2, "cpus_per_task": 16, "gpus_per_task": 1, "mem_per_cpu": "4GB", "exclusive": False,
    "time_limit": "10:00:00",
}  # fmt: skip
WEIGHTS = "CPU=1.0,Mem=0.25G,GRES/gpu=20"


def cost(weights: str = "", site: dict[str, str] | None = None, **options: Any) -> Cost:
    partition = {"TRESBillingWeights": weights} if weights else {}
    config = SlurmConfig(**PART | options)
    return cost_of(config, 3, partition=partition, node=NODE, site=site or {})


def test_weights_of_memory_are_for_each_megabyte() -> None:
    assert parse_weights(WEIGHTS) == {"cpu": 1.0, "mem": 0.25 / 1024, "gres/gpu": 20.0}
    assert parse_weights("(null)") == {}


def test_all_runs_count_with_all_of_their_time() -> None:
    assert cost() == Cost(node_hours=60.0, gpu_hours=60.0, billing_hours=None)


@pytest.mark.parametrize(
    ("options", "site", "each_node"),
    [
        ({}, {}, 16 + 16 + 20),
        ({}, {"PriorityFlags": "MAX_TRES"}, 20),
        ({"mem_per_cpu": None}, {}, 16 + 20),
        ({"exclusive": True}, {}, 64 + 128 + 80),
    ],
)
def test_billing_counts_what_a_job_holds_of_each_node(
    options: dict[str, Any], site: dict[str, str], each_node: float
) -> None:
    assert cost(WEIGHTS, site, **options).billing_hours == pytest.approx(60 * each_node)


def test_a_model_has_a_weight_of_its_own() -> None:
    found = cost("GRES/gpu:a100=40", gpu_type="a100")
    assert found.billing_hours == pytest.approx(60 * 40)


def test_without_a_time_limit_nobody_can_tell() -> None:
    assert cost(WEIGHTS, time_limit="UNLIMITED") == Cost(node_hours=None, gpu_hours=None)
