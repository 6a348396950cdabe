"""A Lightning project of one's own on what a run has."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
    LightningEnvironment,
)
from pytorch_lightning.strategies import DDPStrategy

from tests.training.lightning_project import Line, Points, TwoHeads
from tmgg.errors import ConfigError, StoppedEarlyError
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.job.context import RunContext, set_current_run
from tmgg.experiments.everywhere import Trained, train_on_all_nodes
from tmgg.training.checkpoint import DurableCheckpointIO
from tmgg.training.hooks import Hooks
from tmgg.training.own import OwnTraining, train_own

PROJECT = Path(__file__).parents[2]


def train(folder: Path, *, steps: int = 40, **options: Any) -> tuple[Line, Trained]:
    module = Line()
    return module, train_on_all_nodes(
        module, Points(), output_dir=folder, max_steps=steps, max_epochs=-1, **options
    )


def test_a_module_of_ones_own_learns_and_has_its_weights_afterwards(tmp_path: Path) -> None:
    module, trained = train(tmp_path)
    assert trained.metrics["steps"] == 40
    assert trained.metrics["val_loss"] < 0.1
    saved = torch.load(trained.checkpoint_path, weights_only=True)["state_dict"]
    assert torch.equal(saved["layer.weight"], module.layer.weight)
    assert trained.as_result()["checkpoint_path"] == str(tmp_path / "checkpoints" / "last.ckpt")


def test_a_run_that_is_to_end_saves_and_goes_on_from_there(tmp_path: Path) -> None:
    context = RunContext(
        run_id="r",
        output_dir=tmp_path / "parted",
        stop_path=tmp_path / "stop",
        checkpoint_note=tmp_path / "note",
    )
    set_current_run(context)
    try:
        (tmp_path / "stop").touch()
        with pytest.raises(StoppedEarlyError, match="stopped at step 1"):
            train(context.output_dir)
        (tmp_path / "stop").unlink()
        set_current_run(context)  # the next attempt
        _, resumed = train(context.output_dir)
    finally:
        set_current_run(None)
    assert resumed.metrics["steps"] == 40
    assert resumed.metrics["val_loss"] < 0.1


def test_where_to_train_is_not_the_callers_to_say(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sets devices, strategy from the run's resources"):
        train(tmp_path, devices=2, strategy="ddp")


def train_as_workers_do(module: Line, folder: Path, given: bool | None = None) -> dict[str, float]:
    """With the gradients of a group of workers, which is this process alone."""
    training = OwnTraining(
        module=module,
        data=Points(),
        output_dir=folder,
        checkpoint_every=10,
        accelerator="cpu",
        options={"max_steps": 20},
        find_unused_parameters=given,
    )
    strategy = DDPStrategy(
        find_unused_parameters=training.may_leave_unused, process_group_backend="gloo"
    )
    try:
        return train_own(
            training,
            hooks=Hooks(),
            devices=1,
            strategy=strategy,
            plugins=[LightningEnvironment(), DurableCheckpointIO()],
        )
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def test_a_step_that_leaves_parameters_unused_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unused \(other.weight, other.bias\).*=True\)"):
        train_as_workers_do(TwoHeads(), tmp_path)
    assert train_as_workers_do(TwoHeads(), tmp_path, given=True)["steps"] == 20


def test_manual_optimisation_may_leave_parameters_unused(tmp_path: Path) -> None:
    assert train_as_workers_do(TwoHeads(manual=True), tmp_path)["steps"] == 20


def test_a_training_goes_on_from_a_checkpoint_that_is_named(tmp_path: Path) -> None:
    _, before = train(tmp_path / "a", steps=16)
    module, trained = train(tmp_path / "b", steps=40, resume_from=before.checkpoint_path)
    whole, _ = train(tmp_path / "c", steps=40)
    assert trained.metrics["steps"] == 40
    assert torch.equal(module.layer.weight, whole.layer.weight)


def local_run(folder: Path, **config: Any) -> Any:
    runner = LocalRunner(LocalConfig(output_dir=str(folder)))
    target = {"experiment": {"_target_": "tests.training.lightning_project:run"}}
    return runner.run_experiment({**target, **config})


@pytest.mark.ray
@pytest.mark.long
def test_two_workers_train_it_and_its_own_errors_are_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROJECT), str(PROJECT / "src")]))
    result = local_run(tmp_path, workers=2, two_heads=True)
    assert result.status == "completed", result.error_message
    assert result.metrics["steps"] == 40
    assert [worker.rank for worker in result.workers] == [0, 1]
    failed = local_run(tmp_path, workers=2, fails_at=5)
    assert failed.status == "failed"
    assert "ConnectionError: label" in failed.error_message
