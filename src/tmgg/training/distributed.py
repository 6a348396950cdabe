"""One training by many workers, with Ray Train: the same batches, steps and result as by one.

Ray starts the workers, connects them and starts them again when one is lost, with as many as there
is still room for. What Ray's own checkpoints would be for is left to ours: the checkpoint `last`
lies where every node sees it, so a start after a loss goes on from there.
"""

import contextlib
import os
import pickle
import shutil
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmgg.errors import StoppedEarlyError, TmggError
from tmgg.training.checkpoint import CheckpointFiles, DurableCheckpointIO
from tmgg.training.config import Settings
from tmgg.training.durable import write_durably
from tmgg.training.hooks import Hooks
from tmgg.training.loop import train_part
from tmgg.training.placement import Placement

FOLDER = "ray_train"
"""Of the output directory: what Ray Train and the workers need while they train."""
MOST_LOSSES = 4
"""How often the workers of one training are started again. An error of the training's own, such as
too little GPU memory, looks to Ray like a lost worker, too."""
_ENVIRONMENT = {
    # How long to wait for a node that Ray does not yet know to be dead.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "20",
    # Ends are seen within this time; by default 2 s.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # Relative paths stay what they are; prints are not shown twice; nobody asks for the metrics.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    # Of Ray's own clusters in a cloud; here Slurm preempts.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a distributed training came to."""

    metrics: dict[str, float]
    workers: list[tuple[int, str]]
    """Rank and host name of each."""


def train_distributed(settings: Settings, placement: Placement, *, hooks: Hooks) -> Outcome:
    """As `loop.train` by the workers of `placement`, in the Ray cluster this process is part of.

    The output directory must be on a file system that all nodes share. Raises StoppedEarlyError
    and ConfigError as `train` does, and Ray's TrainingFailedError when workers are lost too often.
    """
    output_dir = settings.output_dir.absolute()
    (output_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=output_dir / FOLDER))
    work = Work(replace(settings, output_dir=output_dir), hooks, folder)
    try:
        work.lay_out()
        _fit(work, placement)
        answer = work.answer()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # one left by a killed attempt
            folder.parent.rmdir()
    if isinstance(answer, TmggError):
        raise answer
    return answer


@dataclass(frozen=True, slots=True)
class Work:
    """What every worker is told; the same for each start of the workers."""

    settings: Settings
    hooks: Hooks
    folder: Path
    """Shared; the workers of one training leave their marks here."""

    def lay_out(self) -> None:
        """Make the marks, empty.

        A name that was missing once may stay missing in a node's cache for a minute, while a file
        that is there is asked for anew at every open (close-to-open consistency, nfs(5)).
        """
        self._answer_file.touch()
        self._saved_file.touch()

    def answer(self) -> Outcome | TmggError:
        """What the training came to, once it has ended."""
        found: Outcome | TmggError = pickle.loads(self._answer_file.read_bytes())
        return found

    @property
    def is_answered(self) -> bool:
        """Whether an earlier start of the workers already came to an end."""
        return _is_written(self._answer_file)

    def leave_answer(self, answer: Outcome | TmggError) -> None:
        write_durably(self._answer_file, lambda stream: pickle.dump(answer, stream))

    def next_settings(self) -> Settings:
        """The settings to begin with: from this training's own checkpoint once there is one."""
        if not _is_written(self._saved_file):
            return self.settings
        return replace(self.settings, resume_from=CheckpointFiles(self.settings.output_dir).last)

    def saved(self, path: Path) -> None:
        """Note that `last` is this training's own: another may have left one in the folder."""
        if not _is_written(self._saved_file):
            self._saved_file.write_text("yes\n")
        self.hooks.saved(path)

    @property
    def _answer_file(self) -> Path:
        return self.folder / "answer.pkl"

    @property
    def _saved_file(self) -> Path:
        return self.folder / "saved"


def _is_written(mark: Path) -> bool:
    try:
        return bool(mark.read_bytes())
    except FileNotFoundError:
        return False


def _fit(work: Work, placement: Placement) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError

    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    trainer = _trainer_class()(
        do_work,
        train_loop_config={"work": work},
        scaling_config=ScalingConfig(
            # Elastic: a node that is lost in a job that goes on does not come back.
            num_workers=(1, placement.workers),
            use_gpu=placement.gpus_each > 0,
            resources_per_worker={
                "CPU": placement.cpus_each,
                **({"GPU": placement.gpus_each} if placement.gpus_each else {}),
            },
            placement_strategy="SPREAD" if placement.spread else "PACK",
        ),
        run_config=RunConfig(
            name=work.folder.name,
            storage_path=str(work.folder.parent),
            failure_config=FailureConfig(max_failures=MOST_LOSSES),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError:
        # Workers that refused their settings have said why; Ray's error only says that they did.
        if not work.is_answered:
            raise


def _trainer_class() -> Callable[..., Any]:
    from ray.train.torch import TorchTrainer

    class QuietTrainer(TorchTrainer):  # type: ignore[misc, unused-ignore]
        def _create_default_callbacks(self) -> list[Any]:
            # It would ask Ray's dashboard every second, and warn each time, where there is none.
            # It frees what a dead driver leaves; here the cluster ends with the driver.
            callbacks: list[Any] = super()._create_default_callbacks()
            return [
                item for item in callbacks if "PlacementGroupCleaner" not in type(item).__name__
            ]

    return QuietTrainer


def do_work(config: dict[str, Work]) -> None:
    """What Ray Train runs in each worker."""
    import logging

    from ray.train import get_context
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    work = config["work"]
    if work.is_answered:
        return
    is_first = get_context().get_world_rank() == 0
    if is_first:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        workers = _all_workers()
        metrics = train_part(
            work.next_settings(),
            hooks=Hooks(stop=work.hooks.stop, saved=work.saved),
            devices="auto",
            strategy=RayDDPStrategy(),
            plugins=[RayLightningEnvironment(), DurableCheckpointIO()],
        )
    except StoppedEarlyError as stopped:  # at the same step on all workers
        answer: Outcome | TmggError = stopped
    except TmggError as error:
        # It would come again; the others may wait for this worker, so the group must end.
        work.leave_answer(error)
        raise
    else:
        answer = Outcome(metrics, workers)
    if is_first:
        work.leave_answer(answer)


def _all_workers() -> list[tuple[int, str]]:
    """Rank and host of every worker, as they tell each other."""
    import torch.distributed

    own = (torch.distributed.get_rank(), socket.gethostname())
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, own)
    return sorted(everyone)
