"""What a sweep may use at most is said before it is submitted."""

from typing import Any

import pytest

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.usage import render_idle_nodes, render_usage


@pytest.mark.parametrize(
    ("options", "runs", "mode", "line"),
    [
        ({}, 12, "separate", "12 runs x 4 nodes x 8 h: up to 384 node-hours, 384 GPU-hours"),
        ({"nodes": 1, "gpus_per_task": 0}, 1, "array", "1 run x 1 node x 8 h: up to 8 node-hours"),
        (
            {"nodes": 2, "time_limit": "30", "tasks_per_node": 4},
            3,
            "separate",
            "3 runs x 2 nodes x 30 min: up to 3 node-hours, 12 GPU-hours",
        ),
        (
            {"gpus_per_task": 2},
            100,
            "packed",
            "100 runs in 1 job x 4 nodes x 8 h: up to 32 node-hours, 64 GPU-hours",
        ),
        # A packed sweep takes no more nodes than it has runs.
        ({}, 2, "packed", "2 runs in 1 job x 2 nodes x 8 h: up to 16 node-hours, 16 GPU-hours"),
        ({"time_limit": "UNLIMITED"}, 2, "separate", "2 runs x 4 nodes, without a time limit"),
    ],
)
def test_node_hours_and_gpu_hours_are_reported(
    options: dict[str, Any], runs: int, mode: Any, line: str
) -> None:
    assert render_usage(SlurmConfig(**options), runs, mode) == line


@pytest.mark.parametrize(
    ("options", "imports", "mode", "is_warned"),
    [
        ({}, {"torch", "hydra"}, "separate", True),
        ({"exclusive": False}, {"torch"}, "array", True),
        ({}, {"torch", "ray"}, "separate", False),
        ({}, {"tmgg"}, "separate", False),
        ({"nodes": 1}, {"torch"}, "separate", False),
        ({"tasks_per_node": 1}, {"torch"}, "separate", False),
        ({}, {"torch"}, "packed", False),
    ],
)
def test_a_program_that_knows_of_no_other_node_is_warned(
    options: dict[str, Any], imports: set[str], mode: Any, is_warned: bool
) -> None:
    words = render_idle_nodes(SlurmConfig(**options), frozenset(imports), mode)
    assert bool(words) is is_warned
    assert not is_warned or ("4 nodes" in words and "slurm_nodes=1" in words)
