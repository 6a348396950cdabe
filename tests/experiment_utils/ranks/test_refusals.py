"""What cannot run as several nodes or ranks is refused before anything is written, whoever asks."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.job.context import Rank, RunContext
from tmgg.experiments.run_resources import require_one_process

Ask = Callable[[SlurmRunner, list[dict[str, Any]]], object]
EXPERIMENTS: dict[str, Ask] = {
    "run_experiment": lambda runner, configs: runner.run_experiment(configs[0]),
    "spawn_experiment": lambda runner, configs: runner.spawn_experiment(configs[0]),
    "resume": lambda runner, configs: runner.spawn_experiment(configs[0], resume=True),
    "dry run": lambda runner, configs: runner.render_dry_run(
        TaskRequest(config=configs[0], run_id="r")
    ),
    "separate": lambda runner, configs: runner.run_sweep(configs, mode="separate"),
    "array": lambda runner, configs: runner.run_sweep(configs, mode="array"),
    "spawn_sweep": lambda runner, configs: runner.spawn_sweep(configs),
}
CALLS: dict[str, Ask] = {
    "submit": lambda runner, _configs: runner.submit(math.sqrt, 4),
    "map": lambda runner, _configs: runner.map(math.sqrt, [1, 4]),
    "map by sbatch": lambda runner, _configs: runner.map(math.sqrt, [1, 4], mode="separate"),
}


def refusal(ask: Ask, slurm: FakeSlurm, target: str, **options: Any) -> str:
    before = set(Path.cwd().rglob("*"))
    runner = SlurmRunner(SlurmConfig(**options))
    configs = [{"experiment": {"_target_": target}, "x": x} for x in (1, 2)]
    with pytest.raises(ConfigError) as error:
        ask(runner, configs)
    assert slurm.calls("sbatch") == []
    assert set(Path.cwd().rglob("*")) == before
    return str(error.value)


@pytest.mark.parametrize("how", [*EXPERIMENTS, *CALLS])
def test_nodes_with_nothing_to_do(how: str, slurm: FakeSlurm, folder: Path) -> None:
    ask = (EXPERIMENTS | CALLS)[how]
    message = refusal(ask, slurm, "math:sqrt", nodes=2, ray_bootstrap="none")
    assert "Choose nodes=1, or tasks_per_node=1" in message


@pytest.mark.parametrize("how", EXPERIMENTS)
@pytest.mark.parametrize("bootstrap", ["auto", "managed"])
def test_a_built_in_experiment_as_ranks(
    how: str, bootstrap: Any, slurm: FakeSlurm, folder: Path
) -> None:
    target = "tmgg.experiments.denoising:run"
    options = {"nodes": 1, "tasks_per_node": 2, "ray_bootstrap": bootstrap}
    message = refusal(EXPERIMENTS[how], slurm, target, **options)
    assert f"built-in experiment {target}" in message
    assert "Leave tasks_per_node out" in message


def test_ranks_in_a_packed_sweep(slurm: FakeSlurm, folder: Path) -> None:
    def ask(runner: SlurmRunner, configs: list[dict[str, Any]]) -> object:
        return runner.run_sweep(configs, mode="packed")

    message = refusal(ask, slurm, "math:sqrt", nodes=1, tasks_per_node=2)
    assert "Use sweep_mode=array or separate" in message


def test_a_training_that_starts_its_own_workers_says_so_in_a_rank(tmp_path: Path) -> None:
    def run(world_size: int) -> RunContext:
        rank = Rank(rank=world_size - 1, world_size=world_size)
        return RunContext(run_id="r", output_dir=tmp_path, rank=rank)

    for context in (None, RunContext(run_id="r", output_dir=tmp_path), run(1)):
        require_one_process(context)
    with pytest.raises(ConfigError, match=r"rank 1 of 2.*Leave slurm_tasks_per_node out"):
        require_one_process(run(2))
