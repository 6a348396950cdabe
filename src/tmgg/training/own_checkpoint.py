"""The checkpoint `last` of a Lightning training of somebody's own."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

END_KEY = "tmgg_end"
"""Of a checkpoint: what the training came to, once it has ended."""


@dataclass(frozen=True, slots=True)
class End:
    """What a training came to."""

    metrics: dict[str, float]
    limits: dict[str, Any]
    workers: list[tuple[int, str]] = field(default_factory=list)
    """Rank and host name of each process that trained; empty if an earlier TMGG wrote it."""


class OwnLastCheckpoint(Checkpoint):
    """Writes one file; `own_loops` says when. The end is saved when all is done.

    Not before, at the last step: callbacks may change weights until then.
    """

    def __init__(self, path: Path, *, every_steps: int, saved: Callable[[Path], None]) -> None:
        self._path = path
        self._every_steps = every_steps
        self._saved = saved
        self._end: End | None = None

    def is_due(self, before: int, step: int) -> bool:
        """Whether to save, when the steps until `before` have become those until `step`."""
        return before // self._every_steps != step // self._every_steps

    def save(self, trainer: pl.Trainer) -> None:
        """Write the file, on all workers together."""
        trainer.save_checkpoint(self._path)
        if trainer.is_global_zero:
            self._saved(self._path)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say in the file that it is the end."""
        if self._end is not None:
            checkpoint[END_KEY] = asdict(self._end)

    def save_end(self, trainer: pl.Trainer, end: End) -> None:
        """Save what the training came to."""
        self._end = end
        self.save(trainer)
