"""What a rank is told, and what may be asked for."""

import dataclasses

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.rank_script import (
    check_nodes_are_used,
    rank_gpu_option,
)
from tmgg.experiment_utils.job.context import Rank
from tmgg.experiment_utils.ranks.environment import MeetingPoint, render_environment
from tmgg.experiment_utils.ranks.options import parse_rank

STEP = {
    "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
}  # fmt: skip


def test_torchrun_and_slurm_say_the_same() -> None:
    rank = parse_rank(STEP, tasks_per_node=2)
    assert rank == Rank(rank=3, world_size=4, local_rank=1, local_world_size=2, node_rank=1)
    inherited = {**STEP, "TORCHELASTIC_RUN_ID": "other", "RANK": "9"}
    point = MeetingPoint("10.0.0.1", 20001)
    found = render_environment(inherited, rank, point, interface="ib0")
    assert found["RANK"] == found["SLURM_PROCID"] == "3"
    assert found["WORLD_SIZE"] == found["SLURM_NTASKS"] == "4"
    assert found["LOCAL_RANK"] == found["SLURM_LOCALID"] == "1"
    assert found["LOCAL_WORLD_SIZE"] == found["SLURM_NTASKS_PER_NODE"] == "2"
    assert found["NODE_RANK"] == found["GROUP_RANK"] == found["SLURM_NODEID"] == "1"
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("10.0.0.1", "20001")
    assert found["GLOO_SOCKET_IFNAME"] == "ib0"
    assert "TORCHELASTIC_RUN_ID" not in found


def test_an_interface_that_somebody_chose_is_kept() -> None:
    chosen = {"GLOO_SOCKET_IFNAME": "eth7"}
    found = render_environment(
        chosen, Rank(rank=0, world_size=1), MeetingPoint("10.0.0.1", 1), interface="ib0"
    )
    assert found["GLOO_SOCKET_IFNAME"] == "eth7"


@pytest.mark.parametrize(
    ("gpus", "binding", "option"),
    [
        (0, "auto", ""),
        (1, "auto", "--gres=gpu:2"),
        (2, "auto", "--gpus-per-task=2"),
        (1, "task", "--gpus-per-task=1"),
        (2, "node", "--gres=gpu:4"),
    ],
)
def test_the_gpus_of_a_rank(gpus: int, binding: str, option: str) -> None:
    options = {"tasks_per_node": 2, "gpus_per_task": gpus, "gpu_binding": binding}
    assert rank_gpu_option(SlurmConfig.from_mapping(options)) == option


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ray_bootstrap": "symmetric-run"}, r"ray_bootstrap=managed for ranks beside a Ray"),
        ({"ray_bootstrap": "managed", "no_kill": True}, "cannot go on when one is lost"),
        ({"sweep_mode": "packed"}, "exclude each other"),
        ({"nodes": 60000}, "at most"),
    ],
)
def test_ranks_that_make_no_sense_are_refused_in_words(
    options: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        SlurmConfig.from_mapping({"tasks_per_node": 2, **options})


def test_nodes_with_nothing_to_do_are_refused_with_the_choices() -> None:
    idle = SlurmConfig(nodes=2, ray_bootstrap="none")
    with pytest.raises(ConfigError, match=r"nodes=1.*tasks_per_node=1.*ray_bootstrap=auto"):
        check_nodes_are_used(idle)
    for choice in ({"nodes": 1}, {"tasks_per_node": 1}, {"ray_bootstrap": "auto"}):
        check_nodes_are_used(dataclasses.replace(idle, **choice))
