"""What a training asks of, and tells, whoever runs it; plain functions, so it need not know who."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

AGREE_EVERY_STEPS = 10
"""Workers tell each other whether to stop; at every step that would cost more than small models."""


def _never() -> bool:
    return False


def _ignore(_path: Path) -> None:
    return


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The functions travel to the workers of a distributed training: they must be picklable."""

    stop: Callable[[], bool] = _never
    """Whether to save and end before all steps are done; asked after every step, by several workers
    after every tenth."""
    saved: Callable[[Path], None] = _ignore
    """Told the checkpoint to go on from whenever it has been written."""
    open_own: Callable[[Path], BinaryIO] = _open
    """Opens a file of this training that is a pickle, which is code: whoever runs the training
    brings the check that nobody else can have written it."""


class StopWhenAsked(Callback):
    """Ends the training, at the same step on all workers, once `stop` says so."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._on_term = signal.getsignal(signal.SIGTERM)
        self.stopped = False
        """Whether it ended the training before its last step."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave SIGTERM to whoever runs the training: Lightning would end it between two saves."""
        if threading.current_thread() is threading.main_thread() and callable(self._on_term):
            signal.signal(signal.SIGTERM, self._on_term)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        """Ask; what one worker is told counts for all, as files reach some nodes later."""
        step = trainer.global_step
        if step == trainer.max_steps or (trainer.world_size > 1 and step % AGREE_EVERY_STEPS):
            return
        asked = self._stop()
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            self.stopped = True
            trainer.should_stop = True
            # There may be no time. Whoever goes on makes up for it (see `validation`).
            trainer.limit_val_batches = 0
