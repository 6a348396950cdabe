"""What its owner wrote to train it; only the last lines know of TMGG."""

import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from own_project.data import PlaneData  # type: ignore[import-not-found]  # beside the user's runs
from tmgg import train_on_all_nodes


class Plane(pl.LightningModule):
    def __init__(self, step_s: float) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.step_s = step_s

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        time.sleep(self.step_s)
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


def run(config: Mapping[str, Any]) -> Mapping[str, Any]:
    trained = train_on_all_nodes(
        Plane(config["step_s"]),
        PlaneData(),
        max_steps=config["steps"],
        max_epochs=-1,
        checkpoint_every=50,
    )
    return trained.as_result()
