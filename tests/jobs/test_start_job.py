"""What the notes of the doctor's second job mean: whether a run with these options starts."""

from typing import Any

import pytest

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.site.doctor.start_job import (
    is_needed,
    judge_start,
    start_config,
)

RAY = SlurmConfig(nodes=2, gpus_per_task=2, exclusive=False)
RANKS = SlurmConfig(nodes=2, tasks_per_node=2, gpus_per_task=1)


def ray_note(*nodes: tuple[str, int], seen: int | None = 2, **change: Any) -> dict[str, Any]:
    hosts = [{"hostname": host, "address": "a", "cpus": 8, "gpus": gpus} for host, gpus in nodes]
    workers = [{"host": host, "runs_on": host, "gpus": seen} for host, _gpus in nodes]
    note = {"host": "n1", "gpus": 2, "rank": None, "nodes": hosts, "has_ray": True}
    return note | {"workers": workers} | change


def rank_note(number: int, **change: Any) -> dict[str, Any]:
    rank = {"rank": number, "world_size": 4}
    note = {"host": f"n{number // 2}", "gpus": 2, "rank": rank, "nodes": [], "has_ray": False}
    return note | {"workers": []} | change


def judged(config: SlurmConfig, *notes: dict[str, Any]) -> tuple[str, str]:
    (finding,) = judge_start(config, notes, took_s=9.0)
    return finding.level, finding.text


def test_ray_with_all_nodes_and_gpus_is_fine() -> None:
    assert judged(RAY, ray_note(("n1", 2), ("n2", 2))) == (
        "ok", "Ray (managed) on 2 nodes with 2 GPUs each, 9.0 s after the environment",
    )  # fmt: skip
    # Not every site says in a variable which GPUs there are.
    assert judged(RAY, ray_note(("n1", 2), ("n2", 2), seen=None))[0] == "ok"


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (ray_note(("n1", 2)), "Ray has 1 of 2 nodes"),
        (ray_note(("n1", 2), ("n2", 1)), "Ray has 1 GPUs on n2; 2 are asked for"),
        (ray_note(("n1", 2), ("n2", 2), seen=1), "a task on n1 sees 1 GPUs"),
        (ray_note(("n1", 2), ("n2", 2), has_ray=False), "has no Ray"),
        (
            ray_note(("n1", 2), ("n2", 2), workers=[{"host": "n2", "trouble": "GetTimeoutError"}]),
            "no task ran on n2: GetTimeoutError",
        ),
    ],
)
def test_a_ray_that_is_not_as_asked_for_is_a_problem(note: dict[str, Any], words: str) -> None:
    level, text = judged(RAY, note)
    assert level == "problem"
    assert words in text


def test_all_ranks_on_all_nodes_are_fine() -> None:
    level, text = judged(RANKS, *(rank_note(number) for number in range(4)))
    assert (level, text) == ("ok", "4 ranks on 2 nodes, 9.0 s after the environment")


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ([rank_note(number) for number in range(3)], "3 of 4 ranks left a note"),
        ([rank_note(number, host="n0") for number in range(4)], "the ranks are on 1 nodes"),
        ([rank_note(number, gpus=1) for number in range(4)], "rank 0 sees 1 GPUs"),
        (
            [rank_note(number, rank={"rank": number, "world_size": 1}) for number in range(4)],
            "do not agree",
        ),
    ],
)
def test_ranks_that_are_not_as_asked_for_are_a_problem(
    notes: list[dict[str, Any]], words: str
) -> None:
    level, text = judged(RANKS, *notes)
    assert level == "problem"
    assert words in text


def test_no_notes_are_a_problem() -> None:
    assert judged(RAY)[0] == "problem"
    assert judged(RANKS)[0] == "problem"


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({"ray_bootstrap": "none", "nodes": 1}, False),
        ({"ray_bootstrap": "none", "tasks_per_node": 1}, True),
        ({}, True),
    ],
)
def test_one_process_without_ray_was_tried_already(options: dict[str, Any], needed: bool) -> None:
    assert is_needed(SlurmConfig(**options)) is needed


def test_the_run_is_asked_for_as_every_run_is() -> None:
    own = start_config(SlurmConfig(time_limit="2-00:00:00", signal_lead_s=3600))
    changed = {
        name for name, value in own.to_json().items() if value != SlurmConfig().to_json()[name]
    }
    assert changed == {"time_limit", "job_name", "poll_interval_s"}
