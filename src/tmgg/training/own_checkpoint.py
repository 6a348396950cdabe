"""The checkpoint `last` of a Lightning training of somebody's own."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tmgg.training.checkpoint import LastFile

END_KEY = "tmgg_end"
"""Of a checkpoint: what the training came to, once it has ended."""


@dataclass(frozen=True, slots=True)
class End:
    """What a training came to."""

    metrics: dict[str, float]
    limits: dict[str, Any]
    workers: list[tuple[int, str]] = field(default_factory=list)
    """Rank and host name of each process that trained; empty if an earlier TMGG wrote it."""


class OwnLastCheckpoint(LastFile):
    """`own_loops` says when to save. The end is not saved at the last step, but when all is done:
    callbacks may change weights until then.
    """

    def __init__(self, path: Path, *, every_steps: int, saved: Callable[[Path], None]) -> None:
        super().__init__(path, every_steps=every_steps, saved=saved)
        self._end: End | None = None

    def is_due(self, before: int, step: int) -> bool:
        """Whether to save, when the steps until `before` have become those until `step`."""
        return before // self._every_steps != step // self._every_steps

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
