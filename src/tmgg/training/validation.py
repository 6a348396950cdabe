"""The validations of a training that is resumed."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class MissedValidation(Callback):
    """Makes up for the missed validation of the step at which a training is resumed.

    `last` is written before that validation. A stop leaves it out, and a crash may prevent it, but
    Lightning regards it as done. Without it, the lowest loss and the weights in `best` might
    differ from those of a training that was never interrupted.
    """

    def __init__(self, *, every_steps: int) -> None:
        self._every_steps = every_steps

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate, as Lightning does between two steps."""
        if trainer.global_step == 0 or trainer.global_step % self._every_steps != 0:
            return
        loop = trainer.fit_loop.epoch_loop.val_loop
        loop.restarting = False
        trainer.validating = True
        loop.run()
        trainer.training = True
