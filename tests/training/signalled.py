"""Trainings in which somebody sends this process a signal."""

import os
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from tests.training.lightning_project import Line, Points
from tmgg.experiments.everywhere import train_on_all_nodes
from tmgg.training.config import parse_settings
from tmgg.training.loop import train


class AskedAfter:
    """Says stop from its `calls`-th call on, as a stop file that appears meanwhile."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


class SignalAt(Callback):
    def __init__(self, step: int, number: int) -> None:
        self.step = step
        self.number = number

    def on_train_batch_start(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.global_step == self.step - 1:
            os.kill(os.getpid(), self.number)


def train_denoising(folder: str, number: int) -> None:
    config: dict[str, Any] = {
        "data": {"n": 12, "blocks": [2], "validation_graphs": 20},
        "model": {"name": "filter_bank", "k": 4},
        "trainer": {"steps": 24, "batch_size": 8},
        "output_dir": folder,
    }
    train(parse_settings(config), callbacks=[SignalAt(7, number)])


def train_own(folder: str, number: int) -> None:
    callbacks = [SignalAt(7, number)]
    train_on_all_nodes(Line(), Points(), output_dir=folder, max_steps=20, callbacks=callbacks)
