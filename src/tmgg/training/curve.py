"""The curve of a training: its loss, learning rate and speed."""

import time

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from tmgg.training.module import DenoiserModule

LOG_EVERY_STEPS = 10


class TrainingCurve(Callback):
    """Logs `train_loss`, the `learning_rate` of the next step, and `graphs_per_second`.

    It writes directly to the loggers: with Lightning's own `log`, each number would cost a third of
    a millisecond, and the next step more.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._since: tuple[int, float] | None = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the time of the validation out of the speed."""
        self._since = None

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        """Log, if it is time."""
        step = trainer.global_step
        if step % LOG_EVERY_STEPS == 0 and trainer.is_global_zero:
            self._log(trainer, step)
        elif self._since is None:
            self._since = (step, time.perf_counter())

    def _log(self, trainer: pl.Trainer, step: int) -> None:
        module, now_s = trainer.lightning_module, time.perf_counter()
        assert isinstance(module, DenoiserModule)
        values = {
            "train_loss": float(module.loss),
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
        }
        if self._since is not None:
            before, then_s = self._since
            values["graphs_per_second"] = (step - before) * self._batch_size / (now_s - then_s)
        self._since = (step, now_s)
        for logger in trainer.loggers:
            logger.log_metrics(values, step=step - 1)  # Lightning's own count begins with 0
