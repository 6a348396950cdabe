"""Several trainings in one run, and what each goes on from when the run begins again."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.data import DataLoader, TensorDataset

from tests.training.trained import elsewhere
from tmgg.errors import StoppedEarlyError
from tmgg.experiment_utils.job.context import RunContext, Worker, reported_workers, set_current_run
from tmgg.experiments.denoising import run
from tmgg.experiments.everywhere import Trained, train_on_all_nodes


class Level(pl.LightningModule):
    """Learns one number; its checkpoints hold objects, as those of many modules do."""

    def __init__(self, source: Path = Path("data"), kind: type = dict) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)
        self.trained_steps = 0

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        self.trained_steps += 1
        loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class CrashAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.global_step == self.step:
            raise OSError("node lost")


def train_to(
    level: float, folder: Path | None, *callbacks: Callback, steps: int = 40
) -> tuple[Level, Trained]:
    module = Level()
    points = TensorDataset(torch.ones(64, 1), torch.full((64, 1), level))
    trained = train_on_all_nodes(
        module,
        DataLoader(points, batch_size=8),
        output_dir=folder,
        max_steps=steps,
        checkpoint_every=10,
        callbacks=callbacks,
    )
    return module, trained


def reached(module: Level) -> float:
    return float(module.layer(torch.ones(1, 1)).detach())


Begin = Callable[[], RunContext]


@pytest.fixture
def begin(tmp_path: Path) -> Any:
    """Begins an attempt of one run."""

    def attempt() -> RunContext:
        context = RunContext(
            run_id="r",
            output_dir=tmp_path / "output",
            stop_path=tmp_path / "stop",
            checkpoint_note=tmp_path / "checkpoint",
        )
        set_current_run(context)
        return context

    yield attempt
    set_current_run(None)


def test_each_training_of_a_run_learns_its_own(begin: Begin, tmp_path: Path) -> None:
    begin()
    one, _ = train_to(1.0, tmp_path / "one")
    two, _ = train_to(100.0, tmp_path / "two")
    assert (reached(one), reached(two)) == pytest.approx((1.0, 100.0), rel=0.01)


def test_trainings_in_one_folder_do_not_write_over_each_other(begin: Begin) -> None:
    context = begin()
    found = [train_to(level, None) for level in (1.0, 100.0)]
    assert [reached(module) for module, _ in found] == pytest.approx([1.0, 100.0], rel=0.01)
    folders = [Path(trained.checkpoint_path).parents[1] for _, trained in found]
    assert folders == [context.output_dir, context.output_dir / "training-2"]


def test_a_run_that_begins_again_repeats_no_training_and_mixes_none(
    begin: Begin, tmp_path: Path
) -> None:
    begin()
    _, before = train_to(1.0, tmp_path / "one")
    with pytest.raises(OSError, match="node lost"):
        train_to(100.0, tmp_path / "two", CrashAt(25))
    begin()
    (one, again), (two, _) = (
        train_to(1.0, tmp_path / "one"),
        train_to(100.0, tmp_path / "two"),
    )
    three, _ = train_to(7.0, tmp_path / "three")
    assert [module.trained_steps for module in (one, two, three)] == [0, 20, 40]
    assert again.metrics == before.metrics
    assert [reached(module) for module in (one, two, three)] == pytest.approx(
        [1.0, 100.0, 7.0], rel=0.01
    )


def test_a_run_that_begins_again_knows_who_trained(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin()
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "node7")
        train_to(1.0, tmp_path / "one")
    begin()
    _, again = train_to(1.0, tmp_path / "one")
    assert again.workers == [(0, "node7")]
    assert reported_workers() == (Worker(rank=0, node="node7"),)


def test_a_training_that_ended_goes_on_when_it_is_to_go_farther(
    begin: Begin, tmp_path: Path
) -> None:
    begin()
    train_to(1.0, tmp_path / "one")
    begin()
    module, trained = train_to(1.0, tmp_path / "one", steps=50)
    assert (module.trained_steps, trained.metrics["steps"]) == (10, 50)


def test_an_attempt_is_told_what_earlier_ones_noted_and_not_its_own(
    begin: Begin, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    first = begin()
    first.note_checkpoint(tmp_path / "a")
    assert first.previous_checkpoint is None
    second = begin()
    second.note_checkpoint(tmp_path / "b")
    assert second.previous_checkpoint == tmp_path / "a"
    third = begin()
    assert third.previous_checkpoint == tmp_path / "b"
    assert third.has_left(tmp_path / "a")
    assert not third.has_left(tmp_path / "c")


def test_the_built_in_experiment_may_be_called_several_times(
    begin: Begin, small: dict[str, Any]
) -> None:
    alone = run({**elsewhere(small, "alone"), "seed": 1})
    begin()
    run(small)
    assert run({**small, "seed": 1})["val_loss"] == alone["val_loss"]
    begin()
    run(small)
    assert run({**small, "seed": 1})["val_loss"] == alone["val_loss"]


class AtZero(Callback):
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for weight in pl_module.parameters():
            torch.nn.init.zeros_(weight)


class HalfAtTheEnd(Callback):
    """What averages of weights do: the result is not what the last step left."""

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        with torch.no_grad():
            for weight in pl_module.parameters():
                weight.mul_(0.5)


def saved_level(checkpoint: Path) -> float:
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    return float(state["layer.weight"] + state["layer.bias"])


def test_the_last_checkpoint_has_what_callbacks_made_of_the_weights_at_the_end(
    begin: Begin, tmp_path: Path
) -> None:
    begin()
    module, trained = train_to(8.0, tmp_path / "one", HalfAtTheEnd())
    assert reached(module) == pytest.approx(4.0, rel=0.01)
    assert saved_level(Path(trained.checkpoint_path)) == reached(module)
    begin()
    again, _ = train_to(8.0, tmp_path / "one", HalfAtTheEnd())
    assert reached(again) == reached(module)


def test_a_training_that_is_stopped_keeps_the_weights_to_go_on_from(
    begin: Begin, tmp_path: Path
) -> None:
    (tmp_path / "stop").touch()
    begin()
    with pytest.raises(StoppedEarlyError, match="at step 1") as stopped:
        train_to(8.0, tmp_path / "one", AtZero(), HalfAtTheEnd())
    assert saved_level(Path(str(stopped.value.checkpoint_path))) == pytest.approx(3.2)
    (tmp_path / "stop").unlink()
    begin()
    module, _ = train_to(8.0, tmp_path / "one", HalfAtTheEnd())
    assert module.trained_steps == 39
    assert reached(module) == pytest.approx(4.0, rel=0.01)


def test_what_goes_on_from_a_finished_training_has_a_checkpoint_of_its_own(
    small: dict[str, Any],
) -> None:
    finished = run(small)
    again = run({**elsewhere(small, "again"), "resume_from": finished["checkpoint_path"]})
    assert again["val_loss"] == finished["val_loss"]
    assert Path(str(again["checkpoint_path"])).is_file()
