"""A Lightning project that knows nothing of TMGG: a line through points, and points to learn from.

`run` is all that its owner adds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class Line(pl.LightningModule):
    def __init__(self, *, fails_at: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        torch.nn.init.zeros_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)
        self.fails_at = fails_at

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if self.global_step == self.fails_at:
            raise ConnectionError("label")
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("train_loss", loss, sync_dist=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def step_by_hand(module: pl.LightningModule, loss: Tensor) -> None:
    """Of a module with manual optimisation."""
    optimizer = module.optimizers()
    assert isinstance(optimizer, LightningOptimizer)
    optimizer.zero_grad()
    module.manual_backward(loss)
    optimizer.step()


class TwoHeads(Line):
    """Its steps leave one head unused, as those of a GAN do."""

    def __init__(self, *, manual: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = not manual
        self.other = torch.nn.Linear(2, 1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        if not self.automatic_optimization:
            step_by_hand(self, loss)
        return loss


class Points(pl.LightningDataModule):
    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(_points(), batch_size=8, shuffle=False)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(_points(), batch_size=64)


def _points() -> TensorDataset:
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, x @ torch.tensor([[2.0], [-1.0]]) + 0.5)


def run(config: Mapping[str, Any]) -> Mapping[str, Any]:
    from tmgg.experiments.everywhere import train_on_all_nodes

    fails_at = config.get("fails_at")
    module = TwoHeads(manual=True) if config.get("two_heads") else Line(fails_at=fails_at)
    trained = train_on_all_nodes(
        module,
        Points(),
        workers=config.get("workers"),
        max_steps=config.get("steps", 40),
        max_epochs=-1,
        checkpoint_every=config.get("checkpoint_every", 10),
        output_dir=Path(config["output_dir"]) if config.get("output_dir") else None,
    )
    return trained.as_result()
