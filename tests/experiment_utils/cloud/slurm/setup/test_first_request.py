"""What is asked for first: one GPU, and the share of its node that goes with it."""

from typing import Any

import pytest

from tests.experiment_utils.cloud.slurm.setup.site_facts import UP, facts, node
from tmgg.experiment_utils.cloud.slurm.setup.facts import Facts
from tmgg.experiment_utils.cloud.slurm.setup.first_request import admitted, first_request, scratch


def values(site: Facts, **given: Any) -> dict[str, Any]:
    return {name: each.value for name, each in first_request(site, given).items()}


def test_a_partition_with_gpus_comes_before_the_default() -> None:
    found = values(facts())
    assert found == {
        "partition": "gpu", "nodes": 1, "gpus_per_task": 1, "cpus_per_task": 8,
        "mem_per_cpu": "4GB", "time_limit": "02:00:00", "exclusive": False,
    }  # fmt: skip


def test_without_gpus_the_default_is_taken() -> None:
    found = values(facts(nodes={"cpu": [node(cpus=4)], "gpu": [node(cpus=4)]}))
    assert (found["partition"], found["gpus_per_task"], found["cpus_per_task"]) == ("cpu", 0, 4)


@pytest.mark.parametrize(
    ("row", "settings"),
    [
        ({"State": "DOWN"}, {}),
        ({"PreemptMode": "REQUEUE"}, {"PreemptType": "preempt/partition_prio"}),
        ({"MaxTime": "00:30:00"}, {}),
        ({"AllowGroups": "nobody-is-in-this"}, {}),
    ],
)
def test_what_is_down_preempted_short_or_closed_comes_last_or_not_at_all(
    row: dict[str, str], settings: dict[str, str]
) -> None:
    rows = [{"PartitionName": "own", "Default": "YES", **UP, **row}, {"PartitionName": "b", **UP}]
    site = facts(partitions=rows, settings=settings, nodes={"own": [node(a=1)], "b": [node(a=1)]})
    assert admitted(site)[0] == "b"


def test_memory_is_what_a_node_has_for_each_cpu() -> None:
    small = facts(nodes={"cpu": [node(cpus=32, memory_mb=64_000)]})
    assert values(small, partition="cpu")["mem_per_cpu"] == "1800MB"
    limited = facts(settings={"MaxMemPerCPU": "2048"})
    assert values(limited)["mem_per_cpu"] == "2GB"


def test_whole_nodes_are_asked_for_only_where_the_partition_gives_no_less() -> None:
    rows = [{"PartitionName": "gpu", "OverSubscribe": "EXCLUSIVE", **UP}]
    assert values(facts(partitions=rows))["exclusive"] is True


def test_what_the_user_settled_is_not_weighed() -> None:
    found = first_request(facts(), {"partition": "cpu", "nodes": 3, "mem_per_node": "8GB"})
    assert (found["partition"].value, found["nodes"].value) == ("cpu", 3)
    assert found["nodes"].reason == "you asked for it"
    assert found["mem_per_cpu"].value is None
    assert found["gpus_per_task"].value == 0


@pytest.mark.parametrize("folder", ["/scratch/%n", "", "relative", "/" + "x" * 200])
def test_a_scratch_folder_that_cannot_be_used_is_none(folder: str) -> None:
    assert scratch({"TmpFS": folder}) is None
    found = scratch({"TmpFS": "/local", "JobContainerType": "job_container/tmpfs"})
    assert found is not None
    assert found.value == "/local"
    assert "/tmp of its own" in found.reason


def test_without_ray_here_jobs_start_without_it_and_the_reason_is_told() -> None:
    found = first_request(facts(), {}, has_ray=False)

    assert found["ray_bootstrap"].value == "none"
    assert found["ray_bootstrap"].reason.startswith("Ray is not installed in this environment")
    assert "ray_bootstrap" not in first_request(facts(), {}, has_ray=True)


@pytest.mark.parametrize(
    "given",
    [
        {"setup_commands": ["module load ray"]},
        {"python": "/opt/bin/python"},
        {"nodes": 2},
        {"sweep_mode": "packed"},
    ],
)
def test_jobs_that_may_find_ray_or_have_nothing_else_to_do_are_left_as_they_are(
    given: dict[str, Any],
) -> None:
    assert "ray_bootstrap" not in first_request(facts(), given, has_ray=False)


def test_what_the_user_says_of_ray_stays() -> None:
    found = first_request(facts(), {"ray_bootstrap": "managed"}, has_ray=False)

    assert found["ray_bootstrap"].value == "managed"
