"""What a run that has ended could have done with."""

import dataclasses
from typing import Any

import pytest

from tmgg.console.used_words import use_lines
from tmgg.experiment_utils.sampling.advice import advise
from tmgg.experiment_utils.sampling.allotted import cpus_allotted, memory_allotted_bytes
from tmgg.experiment_utils.sampling.sizes import render_bytes, render_request
from tmgg.experiment_utils.sampling.used import GpuUse, RunUse

GB = 1 << 30
USE = RunUse(
    hosts=["node1"],
    seconds=3600.0,
    cpu_seconds=7200.0,
    cpu_cores_mean=2.0,
    cpu_cores_peak=2.5,
    cpus_allotted=8,
    memory_mean_bytes=2 * GB,
    memory_peak_bytes=int(3.1 * GB),
    memory_allotted_bytes=32 * GB,
    gpus=[],
    gpu_busy_mean_percent=None,
    gpu_memory_peak_bytes=None,
)
SETTINGS: dict[str, Any] = {"mem_per_cpu": "4GB", "cpus_per_task": 8}


def used(**changed: Any) -> RunUse:
    return dataclasses.replace(USE, **changed)


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"mem_per_cpu": "4GB"}, ": slurm_mem_per_cpu=600MB would do"),
        ({"mem_per_cpu": "4GB", "mem_per_node": "32GB"}, ": slurm_mem_per_node=5GB would do"),
        ({"mem_per_gpu": "16GB", "gpus_per_task": 2}, ": slurm_mem_per_gpu=3GB would do"),
        ({}, ""),
    ],
)
def test_memory_that_was_not_used_is_reported_with_what_would_do(
    settings: dict[str, Any], option: str
) -> None:
    words = f"asked for 32 GB of memory on a node, used 3.1 GB at most{option}"
    assert advise(used(cpu_cores_mean=8.0), settings) == [words]


def test_memory_that_was_nearly_too_little_is_reported() -> None:
    (words,) = advise(used(memory_peak_bytes=31 * GB, cpu_cores_mean=8.0), SETTINGS)
    assert words.endswith("used 31 GB at most: a little more, and it is out of memory")


def test_cpus_that_did_nothing_are_reported() -> None:
    memory = {"memory_allotted_bytes": None}
    assert advise(used(**memory), SETTINGS) == [
        "had 8 CPUs, used 2 on average and 2.5 at most: slurm_cpus_per_task=3 would do"
    ]
    (whole_node,) = advise(used(**memory, cpus_allotted=64), SETTINGS)
    assert "would do" not in whole_node


def test_gpus_that_did_little_are_reported() -> None:
    gpu = GpuUse(index="0", uuid="GPU-1", busy_mean_percent=8.0)
    use = used(
        gpus=[gpu], gpu_busy_mean_percent=8.0, memory_allotted_bytes=None, cpu_cores_mean=8.0
    )
    assert advise(use, {}) == ["its GPU was busy 8 % of the time"]


def test_no_option_is_named_where_only_the_drivers_node_was_measured() -> None:
    gpu = GpuUse(index="0", uuid="GPU-1", busy_mean_percent=8.0)
    use = used(gpus=[gpu], gpu_busy_mean_percent=8.0)
    assert advise(use, SETTINGS | {"nodes": 4}) == [
        "asked for 32 GB of memory on a node, used 3.1 GB at most on the driver's node",
        "had 8 CPUs on the driver's node, used 2 on average and 2.5 at most",
        "its GPU on the driver's node was busy 8 % of the time",
    ]


def test_no_option_is_named_where_some_ranks_left_nothing() -> None:
    settings = SETTINGS | {"nodes": 4, "tasks_per_node": 1}
    words = advise(used(hosts=["node1", "node2", "node3"], cpu_cores_mean=8.0), settings)
    assert words == ["asked for 32 GB of memory on a node, used 3.1 GB at most on 3 of its 4 nodes"]


def test_a_packed_run_is_on_one_of_the_nodes_of_its_job() -> None:
    words = advise(used(), SETTINGS | {"nodes": 4}, is_packed=True)
    assert words == advise(used(), SETTINGS)


def test_no_option_is_named_where_an_earlier_start_may_have_used_more() -> None:
    (words,) = advise(used(cpu_cores_mean=8.0), SETTINGS, starts=2)
    assert words == ("asked for 32 GB of memory on a node, used 3.1 GB at most at its last start")


def test_what_was_well_used_or_short_or_not_reported_gets_no_advice() -> None:
    full = {"memory_peak_bytes": 20 * GB, "cpu_cores_mean": 7.0}
    assert advise(used(**full), SETTINGS) == []
    assert advise(used(seconds=20.0), SETTINGS) == []
    assert advise(used(memory_allotted_bytes=None, cpus_allotted=None), SETTINGS) == []


def test_what_a_job_had_is_in_slurms_variables() -> None:
    assert memory_allotted_bytes({"SLURM_MEM_PER_NODE": "2048"}) == 2 * GB
    per_cpu = {"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_ON_NODE": "4"}
    assert memory_allotted_bytes(per_cpu) == 4 * GB
    assert memory_allotted_bytes({"SLURM_MEM_PER_NODE": "0"}) is None
    assert memory_allotted_bytes({}) is None
    assert cpus_allotted({"SLURM_CPUS_ON_NODE": "1"}) == 1


def test_sizes_are_in_slurms_units() -> None:
    assert [render_bytes(size) for size in (500, 447 << 20, int(3.14 * GB), 32 * GB)] == [
        "0 kB", "447 MB", "3.1 GB", "32 GB",
    ]  # fmt: skip
    assert [render_request(size) for size in (1, 501 << 20, 1.2 * GB)] == ["100MB", "600MB", "2GB"]


def test_people_are_told_in_lines_and_foreign_names_cannot_act_on_a_terminal() -> None:
    gpu = GpuUse(
        index="0",
        uuid="GPU-1",
        name="H100\x1b[2J",
        busy_mean_percent=81.6,
        memory_peak_bytes=40 * GB,
        memory_total_bytes=80 * GB,
    )
    lines = use_lines(used(gpus=[gpu]))
    assert lines[0] == "CPU         2 of 8 cores on average, 2.5 at most; 2:00:00 of CPU time"
    assert lines[1] == "memory      2.0 GB on average, 3.1 GB of 32 GB at most"
    assert lines[2].startswith("GPU 0       busy 82 % on average, 40 GB of 80 GB at most (H100")
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "seen on     node1"


def test_the_figures_of_a_run_that_was_started_again_are_those_of_its_last_start() -> None:
    assert use_lines(used(), starts=3)[-1] == (
        "seen on     node1 (at the last of its 3 starts only)"
    )
