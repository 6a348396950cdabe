"""A small Lightning training that writes down all that happens in it, and may be killed there."""

import copy
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
    LightningEnvironment,
)
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from tmgg.training.checkpoint import CheckpointFiles, DurableCheckpointIO
from tmgg.training.hooks import Hooks
from tmgg.training.own import OwnTraining, train_own

BATCHES = 4
"""Of an epoch. All points are alike: Lightning begins the data of an epoch anew on resume."""


class KilledError(Exception):
    """Nothing is done after it."""


class Journal:
    """What happened, with the numbers at that moment."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.entries: list[Any] = []
        self._killed_at = killed_at

    def note(self, *entry: Any) -> None:
        if len(self.entries) == self._killed_at:
            raise KilledError
        self.entries.append(entry)


class Noted(pl.LightningModule):
    """Each of its hooks is an entry of the journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        torch.nn.init.zeros_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)
        self.journal = journal

    def _note(self, what: str) -> None:
        if self.trainer.sanity_checking:
            return
        rates = [group["lr"] for group in self.trainer.optimizers[0].param_groups]
        place = (self.current_epoch, self.global_step, self.trainer.fit_loop.total_batch_idx)
        self.journal.note(what, place, rates, self.layer.weight.flatten().tolist())

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        self.log("summed", loss, on_step=False, on_epoch=True, sync_dist=True, reduce_fx="sum")
        self.log("newest_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y), sync_dist=True)

    def on_train_epoch_start(self) -> None:
        self._note("epoch starts")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self._note(f"batch {batch_idx} starts")

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._note(f"batch {batch_idx} ends")

    def on_validation_start(self) -> None:
        self._note("validation starts")

    def on_validation_end(self) -> None:
        self._note("validation ends")

    def on_train_epoch_end(self) -> None:
        self._note("epoch ends")
        found = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        self.journal.note("numbers", found)

    def on_train_end(self) -> None:
        self.journal.note("training ends")

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.5)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10.0)
        fading = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
        return [optimizer], [
            {"scheduler": plateau, "monitor": "train_loss"},
            {"scheduler": fading, "interval": "step"},
        ]


def loaders(batches: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
    x = torch.tensor([[1.0, 2.0]]).repeat(2 * batches, 1)
    points = TensorDataset(x, x @ torch.tensor([[2.0], [-1.0]]) + 0.5)
    return DataLoader(points, batch_size=2), DataLoader(points, batch_size=len(points))


class Attempt:
    """A training, or its continuation from what an earlier attempt left in the folder."""

    def __init__(
        self, folder: Path, *, killed_at: int | None = None, module: type[Noted] = Noted
    ) -> None:
        self.folder = folder
        self.last = CheckpointFiles(folder).last
        self.journal = Journal(killed_at)
        self.module = module(self.journal)
        self.best = ModelCheckpoint(
            folder / "mine", monitor="val_loss", enable_version_counter=False
        )
        self.metrics: dict[str, float] = {}

    def train(self, *, hooks: Hooks | None = None, every: int = 1, **options: Any) -> "Attempt":
        """Raises what `train_own` raises."""
        placement: dict[str, Any] = {
            "devices": options.pop("devices", 1),
            "strategy": options.pop("strategy", "auto"),
            "plugins": [*options.pop("plugins", [LightningEnvironment()]), DurableCheckpointIO()],
        }
        training = OwnTraining(
            module=self.module,
            data=loaders(options.pop("batches", BATCHES)),
            output_dir=self.folder,
            checkpoint_every=every,
            accelerator="cpu",
            callbacks=[self.best, *copy.deepcopy(options.pop("callbacks", []))],
            resume_from=options.pop("resume_from", self.last if self.last.exists() else None),
            options={"logger": False, **options},
        )
        self.metrics = train_own(training, hooks=hooks or Hooks(), **placement)
        return self

    @property
    def happened(self) -> list[str]:
        """The journal without numbers."""
        return [entry[0] for entry in self.journal.entries]

    @property
    def came_to(self) -> Any:
        """What is compared between attempts."""
        weights = {name: value.tolist() for name, value in self.module.state_dict().items()}
        best = None if self.best.best_model_score is None else float(self.best.best_model_score)
        return weights, self.metrics, best
