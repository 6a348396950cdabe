"""A training whose numbers are none ends at once, and says what is left of it."""

import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from tests.training.signalled import AskedAfter
from tests.training.trained import weights
from tmgg.errors import DivergedError, StoppedEarlyError
from tmgg.training.config import parse_settings
from tmgg.training.experiment import run
from tmgg.training.hooks import Hooks
from tmgg.training.loop import train

Config = dict[str, Any]


class Poison(Callback):
    """Puts a NaN where the gradient of one step is."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.seen: list[int] = []

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seen.append(trainer.global_step + 1)
        if self.seen[-1] == self.step:
            weight = next(weight for weight in pl_module.parameters() if weight.grad is not None)
            assert weight.grad is not None
            weight.grad.fill_(math.nan)


def test_a_diverged_training_ends_at_once_and_keeps_the_best_weights(small: Config) -> None:
    trainer = {**small["trainer"], "steps": 60, "validate_every": 20, "checkpoint_every": 20}
    poison = Poison(45)
    with pytest.raises(DivergedError, match="diverged at step 45: gradient norm is nan") as ended:
        train(parse_settings({**small, "trainer": trainer}), callbacks=[poison])
    assert max(poison.seen) == 45
    best = Path(small["output_dir"]) / "checkpoints" / "best.ckpt"
    assert ended.value.checkpoint_path == str(best)
    assert torch.load(best, weights_only=True)["global_step"] == 40
    assert all(bool(weight.isfinite().all()) for weight in weights(best).values())


def test_far_too_high_a_learning_rate_is_reported_as_divergence(small: Config) -> None:
    assert diverged(small).checkpoint_path is None


def diverged(config: Config) -> DivergedError:
    with pytest.raises(DivergedError, match="training diverged at step") as ended:
        run({**config, "trainer": {**config["trainer"], "learning_rate": 1e38}})
    return ended.value


def test_the_best_weights_of_another_training_in_the_folder_are_not_its_own(small: Config) -> None:
    run(small)
    assert (Path(small["output_dir"]) / "checkpoints" / "best.ckpt").is_file()
    assert diverged({**small, "seed": 5}).checkpoint_path is None


def test_the_best_weights_from_before_it_went_on_are_its_own(small: Config) -> None:
    stop = Hooks(stop=AskedAfter(13))
    with pytest.raises(StoppedEarlyError) as stopped:
        train(parse_settings(small), hooks=stop)
    settings = parse_settings({**small, "resume_from": stopped.value.checkpoint_path})
    with pytest.raises(DivergedError) as ended:
        train(settings, callbacks=[Poison(15)])
    best = Path(small["output_dir"]) / "checkpoints" / "best.ckpt"
    assert ended.value.checkpoint_path == str(best)
