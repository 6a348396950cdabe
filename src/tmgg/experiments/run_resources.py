"""What a run has, as the plain parameters that a training takes: machines, devices, wishes."""

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
from tmgg.experiment_utils.files.trust import open_trusted
from tmgg.experiment_utils.job.context import RunContext, Worker, this_machine
from tmgg.training.checkpoint import CheckpointFiles
from tmgg.training.hooks import Hooks
from tmgg.training.placement import Machine

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
_SCHEDULERS = ("SLURM_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR")
"""Set in jobs of Slurm, and in those of a Ray cluster."""


def has_ray(context: RunContext | None) -> bool:
    """Whether the run has a Ray cluster of its own, which this process is connected to."""
    return context is not None and context.ray_address is not None


def machines_of(context: RunContext | None) -> list[Machine]:
    """The nodes of the run's Ray cluster; without one this machine, with the GPUs PyTorch sees."""
    import torch

    if context is None or not has_ray(context):
        return [Machine(this_machine().cpus, torch.cuda.device_count())]
    return [Machine(node.cpus, node.gpus) for node in context.nodes]


def granted_accelerator(wanted: str, context: RunContext | None) -> str:
    """Not `auto` where no GPU was given to the run: PyTorch may see one that is somebody else's."""
    granted = context is None or context.resources["GPU"] > 0 or not _is_scheduled(context)
    return wanted if granted or wanted != "auto" else "cpu"


def _is_scheduled(context: RunContext) -> bool:
    """Whether somebody hands devices out here; on a machine of one's own, all are one's own."""
    return has_ray(context) or any(map(os.environ.get, _SCHEDULERS))


def require_busy_nodes(workers: int, context: RunContext | None, *, allow_idle: bool) -> None:
    """Raise ConfigError when nodes of the run would have nothing to do all the time."""
    nodes = 1 if context is None else len(context.nodes)
    if nodes > workers and not allow_idle:
        raise ConfigError(
            f"the run has {nodes} nodes and trains with trainer.workers={workers}, so "
            f"{nodes - workers} of them would be idle; ask for fewer nodes (slurm_nodes=1), for "
            "more workers (null is one for each), or set trainer.allow_idle_nodes=true"
        )


def require_one_process(context: RunContext | None) -> None:
    """Raise ConfigError in one of several ranks, which would each train alone."""
    if context is not None and context.rank is not None and context.rank.world_size > 1:
        raise ConfigError(
            f"this is rank {context.rank.rank} of {context.rank.world_size}, and the training "
            "starts its workers by itself, one for each GPU or node (trainer.workers). Leave "
            "slurm_tasks_per_node out, or train with Lightning's own Trainer, which finds the ranks"
        )


def begin_training(output_dir: Path, context: RunContext | None) -> tuple[Path, Path | None]:
    """The folder of a training, and the checkpoint that an earlier attempt of it left there.

    A run may have several trainings. Each goes on from what is its own: a checkpoint counts if
    it was noted before this attempt began and lies in the training's folder, and no two trainings
    of a run have the same folder.
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
    """Functions that work on every node, where there is no current run."""
    if context is None or context.stop_path is None:
        return Hooks(open_own=open_own)
    context.stop_requested()  # from now on SIGTERM leaves time to save
    return Hooks(
        stop=StopFile(context.stop_path),
        saved=context.note_checkpoint,
        open_own=open_own,
    )


def open_own(path: Path) -> BinaryIO:
    """A pickle of this user's own; raises ForeignFileError for any other."""
    return open_trusted(path, own=True)


class StopFile:
    """Whether a file is there; looks a few times a second, however often it is asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_look_s = 0.0

    def __call__(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return False
        self._next_look_s = now_s + LOOK_EVERY_S
        return os.path.exists(self._path)  # noqa: PTH110 - a look that fails is no request

    def __reduce__(self) -> tuple[type["StopFile"], tuple[Path]]:
        """Another machine's clock is another."""
        return StopFile, (self._path,)


def report_workers(context: RunContext | None, workers: Sequence[tuple[int, str]]) -> None:
    """Tell the run which processes trained; none means this one alone."""
    if context is not None:
        found = workers or [(0, socket.gethostname())]
        context.report_workers([Worker(rank=rank, node=node) for rank, node in found])


@contextlib.contextmanager
def own_ray(workers: int) -> Iterator[None]:
    """Ray on this machine, for a run that has none."""
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError(
            f"trainer.workers={workers} needs Ray, which is not installed. Install it: "
            f"{install_command('ray')}; or use trainer.workers=1"
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
