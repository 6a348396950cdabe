"""Shows the progress of a training: a bar on a terminal, lines in a log file."""

import logging
import sys

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.trainer.states import TrainerFn

log = logging.getLogger(__name__)


def build_progress() -> Callback:
    """A live bar on a terminal, otherwise one line per validation."""
    return TrainingBar(refresh_rate=10) if sys.stdout.isatty() else ProgressLines()


class TrainingBar(RichProgressBar):
    """Counts steps; there are no epochs where every graph is new."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The numbers beside the bar, without the version of the log folder."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"


class ProgressLines(Callback):
    """Logs a line after each validation of a running training."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the newest numbers, from the first worker only."""
        if trainer.is_global_zero and trainer.state.fn == TrainerFn.FITTING:
            newest = trainer.callback_metrics
            log.info(
                "step %d of %d: val_loss %.4f, gap_closed %.3f",
                trainer.global_step,
                trainer.max_steps,
                newest["val_loss"],
                newest["gap_closed"],
            )
