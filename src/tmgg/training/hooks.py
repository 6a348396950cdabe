"""What a training asks of, and tells, whoever runs it; plain functions, so it need not know who."""

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

AGREE_EVERY_STEPS = 10
"""Workers tell each other whether to stop; at every step that would cost more than small models."""


_ENDING = (signal.SIGTERM, signal.SIGINT)
log = logging.getLogger(__name__)


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


class StopRequests(Callback):
    """Whether `stop` or a signal asks the training to end."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._before = {number: signal.getsignal(number) for number in _ENDING}
        self._told: signal.Signals | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take SIGTERM from Lightning, which would end the training between two saves.

        Whoever runs the training has it, if he handles it. Otherwise it ends the training after
        the step, and so does Ctrl-C.
        """
        for number, before in self._before.items():
            nobodys = before in (signal.SIG_DFL, signal.default_int_handler)
            self._handle(number, self._note if nobodys else before)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the training all signals are as before: Lightning would end it in silence."""
        if trainer.state.fn != "fit":
            for number, before in self._before.items():
                self._handle(number, before)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """As `on_validation_start`."""
        self.on_validation_start(trainer, pl_module)

    def is_asked(self, trainer: pl.Trainer, *, before: int) -> bool:
        """Ask, at the same step on all workers; `before` is the step at which this could be last.

        What one worker is told counts for all, as files reach some nodes later.
        """
        now = trainer.global_step // AGREE_EVERY_STEPS
        if trainer.world_size > 1 and now == before // AGREE_EVERY_STEPS:
            return False
        asked = self._told is not None or self._stop()
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        return asked

    def raise_signal(self, step: int, checkpoint: Path) -> None:
        """End the process as the signal would have, if there was one, its state saved."""
        if self._told is None:
            return
        log.warning(
            "%s ended the training at step %d; to go on: resume_from=%s",
            self._told.name,
            step,
            checkpoint,
        )
        if self._told is signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self._told)

    def _note(self, number: int, _frame: object) -> None:
        if self._told is signal.SIGINT is signal.Signals(number):
            raise KeyboardInterrupt
        self._told = signal.Signals(number)

    def _handle(self, number: signal.Signals, handler: Any) -> None:
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(number, handler)


class StopWhenAsked(StopRequests):
    """Ends a built-in training after the step at which it is asked to."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        super().__init__(stop)
        self.stopped = False
        """Whether it ended the training before its last step."""

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        """Ask."""
        step = trainer.global_step
        if step != trainer.max_steps and self.is_asked(trainer, before=step - 1):
            self.stopped = True
            trainer.should_stop = True
            # There may be no time. Whoever goes on makes up for it (see `validation`).
            trainer.limit_val_batches = 0
