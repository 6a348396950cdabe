"""Lightning's loops, changed so that resumed trainings go on as if never interrupted.

Lightning makes checkpoints in hooks before the validation that follows a batch. When it resumes
there, it regards that validation, and the end of the epoch, as done. These loops save after the
hooks of a batch, and between two epochs, and resume exactly there.
"""

import contextlib
import enum
import time
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop

from tmgg.training.hooks import StopRequests
from tmgg.training.own_checkpoint import OwnLastCheckpoint
from tmgg.training.own_results import kept_results, restore_results

SHORT_VALIDATION_S = 2.0
"""A stop at the last batch of an epoch waits for a validation that takes no longer than this."""
_KEY = "tmgg_place"


class Place(enum.StrEnum):
    """Where a training was when it was saved."""

    STEP = "step"
    """After an optimiser step. Its validation, and the end of its epoch, may be still to come."""
    EPOCH = "epoch"
    """Between two epochs."""
    END = "end"
    """After the last epoch. With other limits the training goes on with the next epoch."""


class StepEnds:
    """Decides when a training saves and when it stops: only after an optimiser step.

    Between the batches of one step there are gradients, which are not in a checkpoint. After the
    last batch of an epoch, the end of the epoch may need what the module kept of the batches. So a
    checkpoint that is due then is made between the epochs. A stop then does not wait for a long
    validation; the resumed training makes up for it.
    """

    def __init__(self, last: OwnLastCheckpoint, stop: StopRequests) -> None:
        self._last = last
        self._stop = stop
        self._step = 0
        self._is_due = self._is_asked = False
        self.has_begun = False
        """Whether there was something left to train, or the checkpoint has the results."""
        self.stopped = False
        """Whether a stop ended the training early."""
        self.validation_s: float | None = None
        """How long the newest validation took."""

    def begin(self, step: int) -> None:
        """The training begins, or goes on, after `step` optimiser steps."""
        self.has_begun, self._step = True, step

    def end_batch(self, trainer: pl.Trainer, *, is_last: bool, validates: bool) -> None:
        """Save if it is time; raises StopIteration if the training is to end here.

        `is_last` says that the epoch has no more batches, `validates` that a validation follows.
        """
        before, self._step = self._step, trainer.global_step
        if before == self._step:
            return
        is_due = self._last.is_due(before, self._step)
        is_asked = self._stop.is_asked(trainer, before=before)
        if is_asked and not (is_last and self._is_soon_over(trainer, validates)):
            self._end_training(trainer, Place.STEP)
        elif is_last:
            self._is_due, self._is_asked = is_due, is_asked
        elif is_due:
            self._save(trainer, Place.STEP)

    def end_epoch(self, trainer: pl.Trainer) -> None:
        """Like `end_batch`, between two epochs."""
        is_due, is_asked = self._is_due, self._is_asked
        self._is_due = self._is_asked = False
        if is_asked:
            self._end_training(trainer, Place.EPOCH)
        elif is_due:
            self._save(trainer, Place.EPOCH)

    def _is_soon_over(self, trainer: pl.Trainer, validates: bool) -> bool:
        took_s = self.validation_s
        is_short = not validates or (took_s is not None and took_s <= SHORT_VALIDATION_S)
        return bool(trainer.strategy.reduce_boolean_decision(is_short, all=True))

    def _end_training(self, trainer: pl.Trainer, place: Place) -> None:
        self._save(trainer, place)
        self.stopped = True
        raise StopIteration

    def _save(self, trainer: pl.Trainer, place: Place) -> None:
        loop = trainer.fit_loop
        assert isinstance(loop, OwnFitLoop)
        with loop.at(place):
            self._last.save(trainer)


class OwnEpochLoop(_TrainingEpochLoop):
    """The batches of an epoch."""

    def __init__(self, trainer: pl.Trainer, like: _TrainingEpochLoop, ends: StepEnds) -> None:
        super().__init__(trainer, min_steps=like.min_steps, max_steps=like.max_steps)
        self._ends = ends
        self.remains = False
        """Whether it resumes after a batch whose end is still to be done, before other batches."""

    @property
    def done(self) -> bool:
        """Whether the epoch is over."""
        return not self.remains and bool(super().done)

    def reset(self) -> None:
        """Like Lightning's, but keep the count: Lightning guesses if the newest batch counted."""
        counted = self._batches_that_stepped
        super().reset()
        if self.remains:
            self._batches_that_stepped = counted

    def advance(self, data_fetcher: Any) -> None:
        """Train on one batch, unless the newest one must be ended first."""
        if self.remains:
            self.val_loop.restarting = False
        else:
            super().advance(data_fetcher)

    def on_advance_end(self, data_fetcher: Any) -> None:
        """End a batch: validate if it is time. Raises StopIteration after a stop."""
        validates = self._should_check_val_fx(data_fetcher)
        if not self.remains:
            is_last = self._is_training_done or self._is_stopping
            self._ends.end_batch(self.trainer, is_last=is_last, validates=validates)
        self.remains = False
        began_s = time.monotonic()
        super().on_advance_end(data_fetcher)
        if validates:
            self._ends.validation_s = time.monotonic() - began_s

    @property
    def _is_stopping(self) -> bool:
        """Whether a callback has ended the training."""
        return self.trainer.should_stop and bool(self.trainer.fit_loop._can_stop_early)


class OwnFitLoop(_FitLoop):
    """The epochs of a training; it replaces `trainer.fit_loop`."""

    def __init__(self, trainer: pl.Trainer, ends: StepEnds) -> None:
        like = trainer.fit_loop
        super().__init__(trainer, min_epochs=like.min_epochs, max_epochs=like.max_epochs)
        self.epoch_loop: OwnEpochLoop = OwnEpochLoop(trainer, like.epoch_loop, ends)
        self._ends = ends
        self._place: Place | None = None
        self._kept: dict[str, Any] | None = None
        self._has_results = False
        """Whether it has all numbers that the epoch logged, also if it was resumed within it."""

    @contextlib.contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Checkpoints that are saved inside say that the training is at this place."""
        self._place = place
        try:
            yield
        finally:
            self._place = None

    @property
    def done(self) -> bool:
        """Whether the training is over; at `max_steps` the end of a batch may remain."""
        return not self.epoch_loop.remains and bool(super().done)

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Like Lightning's, and say where the training is, inside `at`."""
        state = super().on_save_checkpoint()
        if self._place is not None:
            state[_KEY] = {
                "place": str(self._place),
                # Lightning does not keep it; with min_epochs the training may go on for long.
                "should_stop": self.trainer.should_stop and self._place is not Place.END,
                "results": kept_results(self.trainer),
            }
        return state

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        """Like Lightning's, and keep what `on_save_checkpoint` added."""
        super().on_load_checkpoint(state_dict)
        self._kept = state_dict.get(_KEY)
        self.epoch_loop.remains = self._kept is not None and self._kept["place"] == Place.STEP

    def load_state_dict(self, state_dict: dict[str, Any], prefix: str = "") -> None:
        """Like Lightning's, which with `max_steps` would resume within an epoch that has ended."""
        super().load_state_dict(state_dict, prefix)
        if self._kept is not None and not self.epoch_loop.remains:
            self._restarting = self.epoch_loop._restarting = False

    def run(self) -> None:
        """Train. If nothing is left to do, the numbers are those that the checkpoint kept."""
        super().run()
        if self._kept is not None:
            self._begin()

    def on_run_start(self) -> None:
        """Begin, with what the checkpoint kept."""
        self._begin()
        super().on_run_start()

    def _begin(self) -> None:
        self._ends.begin(self.trainer.global_step)
        if self._kept is not None:
            self.trainer.should_stop = self.trainer.should_stop or self._kept["should_stop"]
            restore_results(self.trainer, self._kept["results"])
            self._kept, self._has_results = None, True

    def on_advance_end(self) -> None:
        """End an epoch. Raises StopIteration after a stop: then the epoch has not ended."""
        if self._ends.stopped:
            raise StopIteration
        if self._has_results:
            self._restarting = False  # else Lightning would skip schedulers that need numbers
        super().on_advance_end()
        if not self.done:
            self._ends.end_epoch(self.trainer)
