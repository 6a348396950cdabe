"""Checkpoints: which are kept, where, and how they reach the disk."""

import functools
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_only

from tmgg.errors import ConfigError
from tmgg.training.durable import write_durably
from tmgg.training.hooks import Hooks

log = logging.getLogger(__name__)


class CheckpointFiles:
    """The checkpoint paths of one output directory."""

    def __init__(self, output_dir: Path) -> None:
        self.folder = output_dir / "checkpoints"
        self.best = self.folder / "best.ckpt"
        """Weights with the lowest validation loss seen."""
        self.last = self.folder / "last.ckpt"
        """Newest weights, and everything needed to go on from them."""

    def callbacks(
        self,
        *,
        every_steps: int,
        saved: Callable[[Path], None],
        resume_from: Path | None = None,
    ) -> list[Checkpoint]:
        """The callbacks that write the files. `saved` is called after each write of `last`."""
        best = BestCheckpoint(
            resume_from=resume_from,
            dirpath=self.folder,
            filename=self.best.stem,
            monitor="val_loss",
            save_top_k=1,
            enable_version_counter=False,
        )
        return [best, LastCheckpoint(self.last, every_steps=every_steps, saved=saved)]

    def keep_best(self, trainer: pl.Trainer, *, val_loss: float) -> float:
        """Also consider the final weights, which no callback validates. Return the lowest loss."""
        scores = [
            float(item.best_model_score)
            for item in trainer.checkpoint_callbacks
            if isinstance(item, ModelCheckpoint) and item.best_model_score is not None
        ]
        if scores and min(scores) <= val_loss:
            return min(scores)
        trainer.save_checkpoint(self.best)
        return val_loss


class BestCheckpoint(ModelCheckpoint):
    """Saves after validations only, so steps make no checks; its state key is computed once.

    It does not ask whether the folder has files, either: for that, Lightning would import its
    support for object stores. In checkpoints its state has the form of `ModelCheckpoint`. A
    training that is resumed in another folder starts with a copy of the best weights so far.
    """

    def __init__(self, *, resume_from: Path | None, **options: Any) -> None:
        super().__init__(**options)
        self._resume_from = resume_from

    @functools.cached_property
    def state_key(self) -> str:
        """The key of its state in checkpoints: that of `ModelCheckpoint`."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Like `ModelCheckpoint`. If the folder is another one, copy the best weights to it."""
        assert self.dirpath is not None
        then = state_dict.get("dirpath", self.dirpath)
        if then == self.dirpath or self._resume_from is None:
            super().load_state_dict({**state_dict, "dirpath": self.dirpath})
            return
        before = self._resume_from.with_name("best.ckpt")
        if not self._is_best_of(before, state_dict):
            log.warning(
                "%s does not have the best weights up to this step; best.ckpt begins anew", before
            )
            return
        here = Path(self.dirpath) / before.name
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]  # set by Lightning
            with before.open("rb") as source:
                write_durably(here, lambda target: shutil.copyfileobj(source, target))
        super().load_state_dict(
            {
                **state_dict,
                "dirpath": self.dirpath,
                "best_model_path": str(here),
                "kth_best_model_path": str(here),
                "best_k_models": {str(here): state_dict["best_model_score"]},
            }
        )

    @property
    def own(self) -> Path | None:
        """The file, if this training wrote it, in this attempt or an earlier one."""
        path = Path(self.best_model_path) if self.best_model_path else None
        return path if path is not None and path.is_file() else None

    def _is_best_of(self, path: Path, state: Mapping[str, Any]) -> bool:
        """Whether `path` is the file that the state describes: it may be a later one."""
        if state["best_model_score"] is None or not path.is_file():
            return False
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        its_own = saved["callbacks"][self.state_key]["best_model_score"]
        return its_own is not None and bool(its_own == state["best_model_score"])

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Do nothing: the folder is given."""

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        """Do nothing."""


class LastFile(Checkpoint):
    """Writes one file every few steps; subclasses decide when."""

    def __init__(self, path: Path, *, every_steps: int, saved: Callable[[Path], None]) -> None:
        self._path = path
        self._every_steps = every_steps
        self._saved = saved

    def save(self, trainer: pl.Trainer) -> None:
        """Write the file, on all workers together."""
        trainer.save_checkpoint(self._path)
        if trainer.is_global_zero:
            self._saved(self._path)


class LastCheckpoint(LastFile):
    """Writes one file every few steps, and at the last step.

    Lightning runs checkpoint callbacks after all others. So if another callback ends the training
    at a step, this step is saved. Unlike `ModelCheckpoint` it has no state: how often to save may
    change when a run is resumed.
    """

    def __init__(self, path: Path, *, every_steps: int, saved: Callable[[Path], None]) -> None:
        super().__init__(path, every_steps=every_steps, saved=saved)
        self._saved_step = -1

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        """Save if it is time."""
        step = trainer.global_step
        ends = trainer.should_stop or step == trainer.max_steps
        if ends or step % self._every_steps == 0:
            self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if a stop between two steps left the last step unsaved."""
        if self._saved_step != trainer.global_step:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Write the file and note its step."""
        self._saved_step = trainer.global_step
        super().save(trainer)


class DurableCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, syncs and renames: even after a crash the old or new file is whole.

    A checkpoint that may hold code is opened by `open_own`, see `Hooks`.
    """

    def __init__(self, open_own: Callable[[Path], BinaryIO] | None = None) -> None:
        super().__init__()
        self._open_own = open_own or Hooks().open_own

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = "cpu",
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read one checkpoint; with `weights_only=False` the file must be this user's own."""
        if weights_only is not False:
            return super().load_checkpoint(Path(path), map_location, weights_only)
        with self._open_own(Path(path)) as stream:
            found: dict[str, Any] = torch.load(
                stream, map_location=map_location, weights_only=False
            )
        return found

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write one checkpoint; `storage_options` is not used."""
        write_durably(Path(path), lambda stream: torch.save(checkpoint, stream))


def require_checkpoint(path: Path | None) -> None:
    """Raise ConfigError if a checkpoint to resume from is given but does not exist."""
    if path is not None and not path.is_file():
        raise ConfigError(
            f"resume_from is {path}, which is not a file; give a checkpoint such as "
            "<output_dir>/checkpoints/last.ckpt, or null to start anew"
        )
