"""Functions by which a training asks and informs its caller, without knowing the caller."""

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
"""How often workers agree on a stop. At every step it would take longer than a small model."""


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
    """Whether to save and end before all steps are done. One worker asks after every step, several
    workers ask after every tenth."""
    saved: Callable[[Path], None] = _ignore
    """Called with the checkpoint to resume from whenever it has been written."""
    open_own: Callable[[Path], BinaryIO] = _open
    """Opens a pickle file of this training. A pickle can run code, so the caller's function must
    check that no other user can have written the file."""


class StopRequests(Callback):
    """Whether `stop` or a signal asks the training to end."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._before = {number: signal.getsignal(number) for number in _ENDING}
        self._told: signal.Signals | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace Lightning's handler of SIGTERM, which would end the training between two saves.

        If the caller had set a handler, it is set again. Otherwise SIGTERM or Ctrl-C ends the
        training after the step.
        """
        for number, before in self._before.items():
            nobodys = before in (signal.SIG_DFL, signal.default_int_handler)
            self._handle(number, self._note if nobodys else before)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After the training, restore all signal handlers: Lightning's would end it silently."""
        if trainer.state.fn != "fit":
            for number, before in self._before.items():
                self._handle(number, before)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See `on_validation_start`."""
        self.on_validation_start(trainer, pl_module)

    def is_asked(self, trainer: pl.Trainer, *, before: int) -> bool:
        """Whether to stop. All workers must call it at the same steps; `before` is the step before.

        If one worker is asked to stop, all stop: some nodes see a new file later than others.
        """
        now = trainer.global_step // AGREE_EVERY_STEPS
        if trainer.world_size > 1 and now == before // AGREE_EVERY_STEPS:
            return False
        asked = self._told is not None or self._stop()
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        return asked

    def raise_signal(self, step: int, checkpoint: Path) -> None:
        """If a signal came, end the process as the signal would have; the state is saved."""
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
            # There may be no time for it. A resumed training makes up for it (see `validation`).
            trainer.limit_val_batches = 0
