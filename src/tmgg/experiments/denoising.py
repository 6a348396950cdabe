"""Denoising in a run: it uses the run's nodes and checkpoints, and stops when it is asked to."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from omegaconf import DictConfig

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
from tmgg.training.config import Settings
from tmgg.training.experiment import alone_in_folder, place, read_settings, result, train_placed


def run(config: Mapping[str, object] | DictConfig) -> dict[str, float | str]:
    """Like `tmgg.training.experiment.run`, on all workers that the run has room for.

    A run that was stopped, preempted or lost its nodes goes on from its last checkpoint. A run that
    is asked to stop saves a checkpoint and raises StoppedEarlyError.
    """
    context = current_run()
    require_one_process(context)
    settings = _here(read_settings(config), context)
    placement = place(settings, machines_of(context))
    allow_idle = settings.trainer.allow_idle_nodes
    require_busy_nodes(placement.workers, context, allow_idle=allow_idle)
    alone = has_ray(context) or placement.workers == 1
    with contextlib.ExitStack() as during:
        if context is None:
            # A run needs no lock: its folder is its own, and a dead node may still hold one.
            during.enter_context(alone_in_folder(settings))
        if not alone:
            during.enter_context(own_ray(placement.workers))
        outcome = train_placed(settings, placement, hooks=hooks_of(context))
    report_workers(context, outcome.workers)
    return result(settings, outcome.metrics)


def _here(settings: Settings, context: RunContext | None) -> Settings:
    """The settings for this run's devices, resuming from an earlier attempt's checkpoint."""
    trainer = settings.trainer
    workers = trainer.workers if has_ray(context) else trainer.workers or 1
    accelerator = granted_accelerator(trainer.accelerator, context)
    trainer = replace(trainer, workers=workers, accelerator=accelerator)  # type: ignore[arg-type]
    folder, previous = begin_training(settings.output_dir, context)
    return replace(
        settings,
        trainer=trainer,
        output_dir=folder,
        resume_from=previous or settings.resume_from,
    )
