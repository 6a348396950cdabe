"""Denoising on all that a run has: its nodes, its checkpoints, its wish to end."""

import contextlib
import functools
import importlib.util
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from tmgg.errors import MissingExtraError
from tmgg.experiment_utils.context import RunContext, Worker, current_run, this_machine
from tmgg.training.config import Settings
from tmgg.training.experiment import place, read_settings, result, train_placed
from tmgg.training.hooks import Hooks
from tmgg.training.placement import Machine, Placement


def run(config: Mapping[str, object] | DictConfig) -> dict[str, float | str]:
    """As `tmgg.training.experiment.run`, on all workers that the run has room for.

    A run that was stopped, preempted or lost its nodes goes on from its last checkpoint, and one
    that is asked to end saves one and raises StoppedEarlyError.
    """
    context = current_run()
    settings = read_settings(config)
    has_ray = context is not None and context.ray_address is not None
    placement = place(settings, _machines(context)) if has_ray else _place_here(settings)
    if context is not None:
        settings = _resumed(settings, context)
    alone = has_ray or placement.workers == 1
    with contextlib.nullcontext() if alone else _own_ray(placement.workers):
        outcome = train_placed(settings, placement, hooks=_hooks(context))
    if context is not None:
        here = [(0, socket.gethostname())]
        workers = [Worker(rank=rank, node=node) for rank, node in outcome.workers or here]
        context.report_workers(workers)
    return result(settings, outcome.metrics)


def _machines(context: RunContext | None) -> list[Machine]:
    return [] if context is None else [Machine(node.cpus, node.gpus) for node in context.nodes]


def _place_here(settings: Settings) -> Placement:
    """Without a cluster of the run's own: one worker, unless more are asked for."""
    import torch

    if settings.trainer.workers is None:
        settings = replace(settings, trainer=replace(settings.trainer, workers=1))
    return place(settings, [Machine(this_machine().cpus, torch.cuda.device_count())])


def _resumed(settings: Settings, context: RunContext) -> Settings:
    """From where an earlier attempt of the run came to, which is beyond what it was given."""
    previous = context.previous_checkpoint
    return settings if previous is None else replace(settings, resume_from=previous)


def _hooks(context: RunContext | None) -> Hooks:
    """Functions that work on every node, where there is no current run."""
    if context is None or context.stop_path is None:
        return Hooks()
    context.stop_requested()  # from now on SIGTERM leaves time to save
    return Hooks(
        stop=functools.partial(_is_there, context.stop_path),
        saved=context.note_checkpoint,
    )


def _is_there(path: Path) -> bool:
    return path.exists()


@contextlib.contextmanager
def _own_ray(workers: int) -> Iterator[None]:
    """Ray on this machine, for a run that has none."""
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError(
            f"trainer.workers={workers} needs Ray, which is not installed; run "
            "`pip install 'tmgg[ray]'`, or use trainer.workers=1"
        )
    import ray  # over a second to import

    on_term = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",
        num_cpus=max(workers, int(this_machine().cpus)),
        include_dashboard=False,
        log_to_driver=True,
        logging_level="WARNING",
    )
    if threading.current_thread() is threading.main_thread() and callable(on_term):
        signal.signal(signal.SIGTERM, on_term)  # Ray's own would end the training unsaved
    try:
        yield
    finally:
        ray.shutdown()
