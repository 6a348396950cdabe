"""A Lightning training of somebody's own, in the same harness as the built-in ones."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger

from tmgg.errors import StoppedEarlyError
from tmgg.training.checkpoint import CheckpointFiles, LastCheckpoint, require_checkpoint
from tmgg.training.hooks import Hooks, StopWhenAsked
from tmgg.training.process import quiet_lightning

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTraining:
    """What is trained, and how; the same on every worker."""

    module: pl.LightningModule
    data: Any
    """A LightningDataModule, a training loader, or a pair of it and one for validation."""
    output_dir: Path
    checkpoint_every: int
    accelerator: str
    callbacks: Sequence[Callback] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Lightning's own options of the trainer."""
    resume_from: Path | None = None


def train_own(training: OwnTraining, *, hooks: Hooks, **placement: Any) -> dict[str, float]:
    """Train on this worker; the numbers that the module logged last.

    `placement` is as for `tmgg.training.loop.build_trainer`. Raises StoppedEarlyError once the
    hooks ask for an end and `CheckpointFiles.last` is written.
    """
    require_checkpoint(training.resume_from)
    stop = StopWhenAsked(hooks.stop)
    with quiet_lightning():
        trainer = _trainer(training, hooks, stop, placement)
        trainer.fit(
            training.module, ckpt_path=training.resume_from, **_data_arguments(training.data)
        )
        if stop.stopped:
            raise StoppedEarlyError(
                f"stopped at step {trainer.global_step}",
                checkpoint_path=str(CheckpointFiles(training.output_dir).last),
            )
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        return {**found, "steps": trainer.global_step}


def load_trained(training: OwnTraining, *, hooks: Hooks) -> None:
    """Give the caller's module the weights that the workers came to."""
    path = CheckpointFiles(training.output_dir).last
    # A checkpoint of the user's own module may hold whatever it saved; it is this run's own file.
    with hooks.open_own(path) as stream:
        saved = torch.load(stream, map_location="cpu", weights_only=False)
    training.module.load_state_dict(saved["state_dict"])


def _trainer(
    training: OwnTraining, hooks: Hooks, stop: StopWhenAsked, placement: Mapping[str, Any]
) -> pl.Trainer:
    files = CheckpointFiles(training.output_dir)
    last = LastCheckpoint(files.last, every_steps=training.checkpoint_every, saved=hooks.saved)
    defaults = {
        "logger": CSVLogger(training.output_dir, name="logs"),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": training.output_dir,
    }
    return pl.Trainer(
        accelerator=training.accelerator,
        callbacks=[*training.callbacks, stop, last],
        **{**defaults, **training.options},
        **placement,
    )


def _data_arguments(data: Any) -> dict[str, Any]:
    if isinstance(data, pl.LightningDataModule):
        return {"datamodule": data}
    train, *rest = data if isinstance(data, tuple) else (data,)
    return {"train_dataloaders": train, **({"val_dataloaders": rest[0]} if rest else {})}
