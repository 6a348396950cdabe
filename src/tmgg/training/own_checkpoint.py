"""The checkpoint `last` of a user's own Lightning training."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tmgg.training.checkpoint import LastFile

END_KEY = "tmgg_end"
"""The key in a checkpoint for the result of the training, once it has ended."""


@dataclass(frozen=True, slots=True)
class End:
    """The result of a training."""

    metrics: dict[str, float]
    limits: dict[str, Any]
    workers: list[tuple[int, str]] = field(default_factory=list)
    """Rank and host name of each process that trained; empty if an earlier TMGG wrote it."""


class OwnLastCheckpoint(LastFile):
    """`own_loops` decides when to save. The end is saved when all is done, not at the last step:
    until then, callbacks may change weights.
    """

    def __init__(self, path: Path, *, every_steps: int, saved: Callable[[Path], None]) -> None:
        super().__init__(path, every_steps=every_steps, saved=saved)
        self._end: End | None = None

    def is_due(self, before: int, step: int) -> bool:
        """Whether a save is due between the steps `before` and `step`."""
        return before // self._every_steps != step // self._every_steps

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the result to the file, if the training has ended."""
        if self._end is not None:
            checkpoint[END_KEY] = asdict(self._end)

    def save_end(self, trainer: pl.Trainer, end: End) -> None:
        """Save the weights and the result."""
        self._end = end
        self.save(trainer)
