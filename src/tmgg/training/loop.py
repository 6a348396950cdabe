"""One training from settings to metrics.

`train` is the whole of it, `train_part` what each worker of a distributed training does.
"""

import logging
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar, Timer
from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
    LightningEnvironment,
)

from tmgg.denoising.pairs import from_pairs, to_pairs
from tmgg.errors import ConfigError, StoppedEarlyError
from tmgg.training.checkpoint import (
    CheckpointFiles,
    DurableCheckpointIO,
    LastCheckpoint,
    require_checkpoint,
)
from tmgg.training.config import Settings
from tmgg.training.curve import LOG_EVERY_STEPS, TrainingCurve
from tmgg.training.data import DenoisingData, GraphSource, Shard
from tmgg.training.hook_costs import NoProfiler
from tmgg.training.hooks import Hooks, StopWhenAsked
from tmgg.training.loggers import build_loggers, close_loggers, describe_run
from tmgg.training.module import DenoiserModule, reference_logits, score_references
from tmgg.training.own_metrics import OwnMetrics
from tmgg.training.process import cpu_threads, own_random_state, quiet_lightning
from tmgg.training.progress import build_progress
from tmgg.training.reading import read_checkpoint
from tmgg.training.report import report_metrics
from tmgg.training.shift_report import report_shifts
from tmgg.training.validation import MissedValidation

log = logging.getLogger(__name__)


def train(
    settings: Settings, *, hooks: Hooks | None = None, callbacks: Sequence[Callback] = ()
) -> dict[str, float]:
    """Train in this process, on one device, and return the metrics of the final weights.

    Raises StoppedEarlyError once the hooks ask for an end and `CheckpointFiles.last` is written. A
    callback may end the training early, too (`trainer.should_stop = True`); then the metric `steps`
    says how far it came.
    """
    return train_part(
        settings,
        hooks=hooks or Hooks(),
        callbacks=callbacks,
        devices=1,
        # Lightning must not guess: within a Slurm job it would take the job's task count for its
        # own and install requeue handlers.
        plugins=[LightningEnvironment(), DurableCheckpointIO()],
    )


def train_part(
    settings: Settings, *, hooks: Hooks, callbacks: Sequence[Callback] = (), **placement: Any
) -> dict[str, float]:
    """Like `train`, for one of the workers that `placement` describes; see `build_trainer`."""
    require_checkpoint(settings.resume_from)
    if settings.resume_from is not None:
        read_checkpoint(settings.resume_from)  # an error of Lightning would not name the file
    _try_own_metrics(settings)
    stop = StopWhenAsked(hooks.stop)
    with quiet_lightning(), cpu_threads(settings.trainer.cpu_threads), own_random_state():
        trainer = build_trainer(settings, hooks=hooks, callbacks=[*callbacks, stop], **placement)
        module = DenoiserModule(settings, score_references(settings))
        data = DenoisingData(settings)
        try:
            fit(trainer, module, data, settings)
            last = CheckpointFiles(settings.output_dir).last
            stop.raise_signal(trainer.global_step, last)
            if stop.stopped:
                raise StoppedEarlyError(
                    f"stopped at step {trainer.global_step} of {settings.trainer.steps}",
                    checkpoint_path=str(last),
                )
            return measure(trainer, module, data, settings)
        finally:
            close_loggers(trainer.loggers)


def build_trainer(
    settings: Settings,
    *,
    hooks: Hooks | None = None,
    callbacks: Sequence[Callback] = (),
    **placement: Any,
) -> pl.Trainer:
    """A Lightning trainer for these settings.

    `placement` says where it runs, in Lightning's words: `devices`, `num_nodes`, `strategy`,
    `plugins`.
    """
    config, files = settings.trainer, CheckpointFiles(settings.output_dir)
    saved = (hooks or Hooks()).saved
    progress = build_progress()
    return pl.Trainer(
        accelerator=choose_accelerator(config.accelerator),
        max_steps=config.steps,
        max_epochs=-1,
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=LOG_EVERY_STEPS,
        # Each worker already draws only its own part of a batch.
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=isinstance(progress, ProgressBar),
        default_root_dir=settings.output_dir,
        profiler=NoProfiler(),
        logger=build_loggers(settings),
        callbacks=[
            *files.callbacks(
                every_steps=config.checkpoint_every, saved=saved, resume_from=settings.resume_from
            ),
            Timer(),
            progress,
            TrainingCurve(settings.trainer.batch_size),
            *callbacks,
            MissedValidation(every_steps=config.validate_every),
        ],
        **placement,
    )


def fit(
    trainer: pl.Trainer, module: DenoiserModule, data: DenoisingData, settings: Settings
) -> None:
    """Train to the end, from the checkpoint to resume if there is one."""
    if trainer.is_global_zero:
        describe_run(trainer.loggers, settings)
    log.info("training %s for %d steps", type(module.model).__name__, settings.trainer.steps)
    trainer.fit(module, datamodule=data, ckpt_path=settings.resume_from)
    for item in trainer.checkpoint_callbacks:
        if isinstance(item, LastCheckpoint):
            item.on_train_end(trainer, module)  # Lightning does not call it if no step was left


def measure(
    trainer: pl.Trainer, module: DenoiserModule, data: DenoisingData, settings: Settings
) -> dict[str, float]:
    """The metrics of the trained weights on the validation and test sets; losses: nats per pair."""
    (values,) = trainer.validate(module, datamodule=data, verbose=False)
    references = module.references
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by Lightning
    timer = next(item for item in callbacks if isinstance(item, Timer))
    return {
        **values,
        "best_val_loss": CheckpointFiles(settings.output_dir).keep_best(
            trainer, val_loss=values["val_loss"]
        ),
        "edge_only_loss": references.edge_only.bce,
        "oracle_loss": references.oracle.bce,
        "edge_only_edge_error": references.edge_only.edge_error,
        "oracle_edge_error": references.oracle.edge_error,
        **_tested(trainer, module, data, settings),
        "train_seconds": timer.time_elapsed("train"),
        "steps": trainer.global_step,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
    }


def _tested(
    trainer: pl.Trainer, module: DenoiserModule, data: DenoisingData, settings: Settings
) -> dict[str, float]:
    if settings.data.protocol == "fixed_pair":
        return {}
    trainer.test(module, datamodule=data, verbose=False)
    if not trainer.is_global_zero:
        return {}
    return {
        **report_metrics(settings, module.comparison),
        **module.own_metrics.means(),
        **report_shifts(settings, module.model),
    }


def _try_own_metrics(settings: Settings) -> None:
    """Call the user's metrics once before the training, so that their errors come early."""
    if not settings.metrics or settings.data.protocol == "fixed_pair":
        return
    batch = GraphSource(settings).test_batch(0, shard=Shard(), device=torch.device("cpu"))
    edge_only_BNN, _ = reference_logits(batch, settings.noise)
    probability_BP = torch.sigmoid(to_pairs(edge_only_BNN)).float()
    own = OwnMetrics.start(settings.metrics)
    own.add(from_pairs(probability_BP, batch.adj_BNN.shape[-1]), batch.adj_BNN)


def choose_accelerator(wanted: str) -> str:
    """`cpu` or `gpu`, for `TrainerConfig.accelerator`, by what PyTorch sees here."""
    available = torch.cuda.is_available()
    if wanted == "gpu" and not available:
        raise ConfigError(
            "trainer.accelerator is gpu, but PyTorch sees no GPU here; check `nvidia-smi` and "
            "the GPUs the job asked for, or use trainer.accelerator=auto"
        )
    if wanted == "auto":
        # Not Lightning's own `auto`: eigendecompositions are missing on some accelerators.
        return "gpu" if available else "cpu"
    return wanted
