"""A run's machines, devices and stop requests, as the plain parameters of a training."""

import contextlib
import importlib.util
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tmgg.errors import ConfigError, MissingExtraError
from tmgg.experiment_utils.extras import install_command
from tmgg.experiment_utils.files.looking import appears
from tmgg.experiment_utils.files.trust import open_trusted
from tmgg.experiment_utils.job.context import RunContext, Worker, this_machine
from tmgg.training.checkpoint import CheckpointFiles
from tmgg.training.hooks import Hooks
from tmgg.training.placement import Machine

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
_SCHEDULERS = ("SLURM_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR")
"""Variables that are set in jobs of Slurm, and in jobs of a Ray cluster."""


def has_ray(context: RunContext | None) -> bool:
    """Whether the run has a Ray cluster of its own, which this process is connected to."""
    return context is not None and context.ray_address is not None


def machines_of(context: RunContext | None) -> list[Machine]:
    """The nodes of the run's Ray cluster; without one, this machine with the GPUs PyTorch sees."""
    import torch

    if context is None or not has_ray(context):
        return [Machine(this_machine().cpus, torch.cuda.device_count())]
    return [Machine(node.cpus, node.gpus) for node in context.nodes]


def granted_accelerator(wanted: str, context: RunContext | None) -> str:
    """`cpu` for `auto` if the run got no GPU: PyTorch may see a GPU of another job."""
    granted = context is None or context.resources["GPU"] > 0 or not _is_scheduled(context)
    return wanted if granted or wanted != "auto" else "cpu"


def _is_scheduled(context: RunContext) -> bool:
    """Whether a scheduler assigns devices. Without one, a run may use all of the machine."""
    return has_ray(context) or any(map(os.environ.get, _SCHEDULERS))


def require_busy_nodes(workers: int, context: RunContext | None, *, allow_idle: bool) -> None:
    """Raise ConfigError if nodes of the run would be idle all the time."""
    nodes = 1 if context is None else len(context.nodes)
    if nodes > workers and not allow_idle:
        raise ConfigError(
            f"the run has {nodes} nodes and trains with trainer.workers={workers}, so "
            f"{nodes - workers} of them would be idle; ask for fewer nodes (slurm_nodes=1), for "
            "more workers (null is one for each), or set trainer.allow_idle_nodes=true"
        )


def require_one_process(context: RunContext | None) -> None:
    """Raise ConfigError in a run with several ranks, each of which would train alone."""
    if context is not None and context.rank is not None and context.rank.world_size > 1:
        raise ConfigError(
            f"this is rank {context.rank.rank} of {context.rank.world_size}, and the training "
            "starts its workers by itself, one for each GPU or node (trainer.workers). Leave "
            "slurm_tasks_per_node out, or train with Lightning's own Trainer, which finds the ranks"
        )


def begin_training(output_dir: Path, context: RunContext | None) -> tuple[Path, Path | None]:
    """The folder of a training, and the checkpoint that an earlier attempt of it left there.

    A run may have several trainings. Each resumes only from its own checkpoint. A checkpoint counts
    if it was noted before this attempt began and is in the training's folder; no two trainings of a
    run have the same folder.
    """
    if context is None:
        return output_dir, None
    folder = context.own_folder(output_dir)
    if folder != output_dir:
        log.warning(
            "this run has trained in %s already; this training is in %s", output_dir, folder
        )
    last = CheckpointFiles(folder.absolute()).last
    return folder, last if context.has_left(last) else None


def hooks_of(context: RunContext | None) -> Hooks:
    """Hooks that also work on other nodes, where `current_run` returns None."""
    if context is None or context.stop_path is None:
        return Hooks(open_own=open_own)
    context.stop_requested()  # from now on SIGTERM asks for a stop, with time to save
    return Hooks(
        stop=StopFile(context.stop_path),
        saved=context.note_checkpoint,
        open_own=open_own,
    )


def open_own(path: Path) -> BinaryIO:
    """Open a pickle that this user owns. Raises ForeignFileError for other files."""
    return open_trusted(path, own=True)


class StopFile:
    """Whether a file exists. It looks only a few times a second, however often it is called."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_look_s = 0.0

    def __call__(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return False
        self._next_look_s = now_s + LOOK_EVERY_S
        return appears(self._path)

    def __reduce__(self) -> tuple[type["StopFile"], tuple[Path]]:
        """Pickle without the time: another machine has another clock."""
        return StopFile, (self._path,)


def report_workers(context: RunContext | None, workers: Sequence[tuple[int, str]]) -> None:
    """Report to the run which processes trained. No workers mean this process alone."""
    if context is not None:
        found = workers or [(0, socket.gethostname())]
        context.report_workers([Worker(rank=rank, node=node) for rank, node in found])


@contextlib.contextmanager
def own_ray(workers: int) -> Iterator[None]:
    """Run Ray on this machine, for a run without a Ray cluster."""
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError(
            f"trainer.workers={workers} needs Ray, which is not installed. Install it: "
            f"{install_command('ray')}; or use trainer.workers=1"
        )
    import ray  # the import takes over a second

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
