"""Any Lightning project on all nodes and GPUs of a run."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
    LightningEnvironment,
)

from tmgg.errors import ConfigError
from tmgg.experiment_utils.job.context import RunContext, current_run
from tmgg.experiments.run_resources import (
    begin_training,
    granted_accelerator,
    has_ray,
    hooks_of,
    machines_of,
    own_ray,
    report_workers,
    require_busy_nodes,
    require_one_process,
)
from tmgg.training.checkpoint import CheckpointFiles, DurableCheckpointIO
from tmgg.training.distributed import Outcome, train_distributed
from tmgg.training.loop import choose_accelerator
from tmgg.training.own import OwnTraining, load_finished, load_trained, train_own
from tmgg.training.placement import Placement, place_workers

_OURS = ("accelerator", "devices", "num_nodes", "strategy", "plugins", "callbacks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The result of a training."""

    metrics: dict[str, float]
    """The values that the module logged last (`Trainer.callback_metrics`), and `steps`."""
    checkpoint_path: str
    """The file with weights and optimiser state at the end."""
    workers: list[tuple[int, str]] = field(default_factory=list)
    """Rank and host of each process that trained; empty if only this process trained."""

    def as_result(self) -> dict[str, float | str]:
        """What an experiment returns."""
        return {**self.metrics, "checkpoint_path": self.checkpoint_path}


def train_on_all_nodes(
    module: pl.LightningModule,
    data: Any,
    *,
    output_dir: Path | str | None = None,
    workers: int | None = None,
    checkpoint_every: int = 100,
    accelerator: str = "auto",
    allow_idle_nodes: bool = False,
    callbacks: Sequence[Callback] = (),
    resume_from: Path | str | None = None,
    find_unused_parameters: bool | None = None,
    **trainer_options: Any,
) -> Trained:
    """Train a LightningModule with one process for each GPU or node of the run, by Ray Train.

    `data` is a LightningDataModule, a training loader, or a pair of loaders for training and
    validation. Lightning gives each worker its part. `trainer_options` are Lightning's own
    (`max_steps`, `precision`, ...), except for those about where to train. If there are several
    workers, all arguments must be picklable.

    A checkpoint is written every `checkpoint_every` optimiser steps. If a worker is lost, the
    others go on from the checkpoint. A run that was stopped or preempted also goes on from there,
    and makes up for a validation that was left out. A run that is asked to stop raises
    StoppedEarlyError. A run may have several trainings, each in its own `output_dir`. If the run is
    started again, trainings that have ended return their results at once. An error of the module
    itself is not tried again. Outside of a run it trains on this machine, in this process unless
    `workers` is larger. Afterwards `module` has the trained weights.

    `resume_from` is a checkpoint to start from if the run has left none. A module whose steps do
    not use every parameter needs `find_unused_parameters=True` on several workers. Each step then
    checks which ones were used, which takes some per cent of its time. For manual optimisation,
    for example of GANs, this is the default.
    """
    if taken := sorted(set(_OURS) & set(trainer_options)):
        raise ConfigError(
            f"train_on_all_nodes sets {', '.join(taken)} from the run's resources; leave them out"
        )
    context = current_run()
    require_one_process(context)
    folder = Path(output_dir or (context.output_dir if context else "."))
    device = choose_accelerator(granted_accelerator(accelerator, context))
    wanted = workers if has_ray(context) else workers or 1
    placement = place_workers(wanted, machines_of(context), use_gpus=device == "gpu")
    require_busy_nodes(placement.workers, context, allow_idle=allow_idle_nodes)
    folder, previous = begin_training(folder, context)
    training = OwnTraining(
        module=module,
        data=data,
        output_dir=folder.absolute(),
        checkpoint_every=checkpoint_every,
        accelerator=device,
        callbacks=tuple(callbacks),
        options=trainer_options,
        resume_from=previous or (None if resume_from is None else Path(resume_from).absolute()),
        find_unused_parameters=find_unused_parameters,
    )
    outcome = _train(training, placement, context)
    report_workers(context, outcome.workers)
    last = CheckpointFiles(training.output_dir).last
    return Trained(metrics=outcome.metrics, checkpoint_path=str(last), workers=outcome.workers)


def _train(training: OwnTraining, placement: Placement, context: RunContext | None) -> Outcome:
    hooks = hooks_of(context)
    finished = load_finished(training, hooks=hooks)
    if finished is not None:
        return Outcome(finished.metrics, finished.workers)
    if placement.workers == 1:
        plugins = [LightningEnvironment(), DurableCheckpointIO(hooks.open_own)]
        return Outcome(train_own(training, hooks=hooks, devices=1, plugins=plugins), [])
    with contextlib.nullcontext() if has_ray(context) else own_ray(placement.workers):
        outcome = train_distributed(
            training,
            placement,
            hooks=hooks,
            train=train_own,
            find_unused_parameters=training.may_leave_unused,
        )
    load_trained(training, hooks=hooks)
    return outcome
