"""A user's own Lightning training, with checkpoints and stops as in the built-in ones."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger

from tmgg.errors import ConfigError, StoppedEarlyError
from tmgg.training.checkpoint import CheckpointFiles, require_checkpoint
from tmgg.training.hooks import Hooks, StopRequests
from tmgg.training.own_checkpoint import END_KEY, End, OwnLastCheckpoint
from tmgg.training.own_loops import OwnFitLoop, Place, StepEnds
from tmgg.training.process import quiet_lightning
from tmgg.training.together import processes

log = logging.getLogger(__name__)

_UNUSED = "parameters that were not used in producing"
"""Words in the message of PyTorch and Lightning about unused parameters."""
_LIMITS = ("max_steps", "max_epochs", "min_steps", "min_epochs", "max_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTraining:
    """What is trained, and how; the same on every worker."""

    module: pl.LightningModule
    data: Any
    """A LightningDataModule, a training loader, or a pair of loaders: training and validation."""
    output_dir: Path
    checkpoint_every: int
    accelerator: str
    callbacks: Sequence[Callback] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options for Lightning's trainer."""
    resume_from: Path | None = None
    find_unused_parameters: bool | None = None
    """Whether steps may leave parameters unused. None: yes for manual optimisation, else no."""

    @property
    def may_leave_unused(self) -> bool:
        """Whether workers must find out which parameters a step used."""
        given = self.find_unused_parameters
        return not self.module.automatic_optimization if given is None else given

    @property
    def limits(self) -> dict[str, Any]:
        """The limits of the training. With other limits, a training that has ended goes on."""
        return {name: self.options[name] for name in _LIMITS if name in self.options}


def train_own(training: OwnTraining, *, hooks: Hooks, **placement: Any) -> dict[str, float]:
    """Train on this worker, and return the numbers that the module logged last.

    `placement` is as for `tmgg.training.loop.build_trainer`. Raises StoppedEarlyError once the
    hooks ask for an end and `CheckpointFiles.last` is written.
    """
    require_checkpoint(training.resume_from)
    stop = StopRequests(hooks.stop)
    path = CheckpointFiles(training.output_dir).last
    last = OwnLastCheckpoint(path, every_steps=training.checkpoint_every, saved=hooks.saved)
    ends = StepEnds(last, stop)
    with quiet_lightning():
        trainer = _trainer(training, [stop, last], placement)
        trainer.fit_loop = OwnFitLoop(trainer, ends)
        _fit(trainer, training)
        if ends.stopped:
            stop.raise_signal(trainer.global_step, path)
            raise StoppedEarlyError(
                f"stopped at step {trainer.global_step}", checkpoint_path=str(path)
            )
        if training.resume_from is not None and not ends.has_begun:
            raise ConfigError(_about_nothing_left(training, trainer.global_step))
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        found["steps"] = trainer.global_step
        with trainer.fit_loop.at(Place.END):
            last.save_end(trainer, End(found, training.limits, processes()))
        stop.raise_signal(trainer.global_step, path)
        return found


def _about_nothing_left(training: OwnTraining, step: int) -> str:
    limits = ", ".join(f"{name}={value}" for name, value in training.limits.items())
    return (
        f"checkpoint {training.resume_from} is of step {step}, after which nothing is left to "
        f"train ({limits or 'no limits are given'}), and it does not say what the training came "
        "to; raise the limits, or train anew in another output_dir"
    )


def _fit(trainer: pl.Trainer, training: OwnTraining) -> None:
    try:
        trainer.fit(
            training.module,
            ckpt_path=training.resume_from,
            # The checkpoint may hold any object; `DurableCheckpointIO` checks whose file it is.
            weights_only=False,
            **_data_arguments(training.data),
        )
    except RuntimeError as error:
        if _UNUSED not in f"{error}":
            raise
        raise ConfigError(_about_unused(training.module)) from error


def _about_unused(module: pl.LightningModule) -> str:
    names = [
        name
        for name, weight in module.named_parameters()
        if weight.requires_grad and weight.grad is None
    ]
    which = f" ({', '.join(names[:3])}{', ...' if names[3:] else ''})" if names else ""
    return (
        f"training_step left parameters of the module unused{which}, for which the workers wait. "
        "If that is meant, use train_on_all_nodes(find_unused_parameters=True), which looks for "
        "them at each step; otherwise give them requires_grad=False, or leave them out"
    )


def load_finished(training: OwnTraining, *, hooks: Hooks) -> End | None:
    """Load the weights of an earlier attempt that has ended, and return its end; else None."""
    if training.resume_from != CheckpointFiles(training.output_dir).last:
        return None
    require_checkpoint(training.resume_from)
    saved = _load_own(training.resume_from, hooks)
    kept = saved.get(END_KEY)
    if kept is None or kept["limits"] != training.limits:
        return None
    training.module.load_state_dict(saved["state_dict"])
    return End(**kept)


def load_trained(training: OwnTraining, *, hooks: Hooks) -> None:
    """Load the weights that the workers trained into the caller's module."""
    saved = _load_own(CheckpointFiles(training.output_dir).last, hooks)
    training.module.load_state_dict(saved["state_dict"])


def _load_own(path: Path, hooks: Hooks) -> dict[str, Any]:
    # The checkpoint may hold any object of the user's module; the file is this run's own.
    with hooks.open_own(path) as stream:
        saved: dict[str, Any] = torch.load(stream, map_location="cpu", weights_only=False)
    return saved


def _trainer(
    training: OwnTraining, ours: Sequence[Callback], placement: Mapping[str, Any]
) -> pl.Trainer:
    defaults = {
        "logger": CSVLogger(training.output_dir, name="logs"),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": training.output_dir,
    }
    return pl.Trainer(
        accelerator=training.accelerator,
        callbacks=[*training.callbacks, *ours],
        **{**defaults, **training.options},
        **placement,
    )


def _data_arguments(data: Any) -> dict[str, Any]:
    if isinstance(data, pl.LightningDataModule):
        return {"datamodule": data}
    train, *rest = data if isinstance(data, tuple) else (data,)
    return {"train_dataloaders": train, **({"val_dataloaders": rest[0]} if rest else {})}
