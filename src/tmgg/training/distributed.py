"""Trains with many workers by Ray Train: the same batches, steps and result as with one worker.

Ray starts the workers and connects them. If one is lost, Ray starts as many workers again as there
is room for. TMGG's checkpoint `last` replaces Ray's own checkpoints: every node sees it, so a new
start after a loss goes on from there.
"""

import contextlib
import logging
import os
import pickle
import re
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tmgg.errors import StoppedEarlyError
from tmgg.training.checkpoint import CheckpointFiles, DurableCheckpointIO
from tmgg.training.durable import write_durably
from tmgg.training.hooks import Hooks
from tmgg.training.loop import train_part
from tmgg.training.placement import Placement
from tmgg.training.together import processes

FOLDER = "ray_train"
"""The part of the output directory that Ray Train and the workers need while they train."""
MOST_LOSSES = 4
"""How often the workers of one training are started again at most. An error of the training, such
as too little GPU memory, also looks to Ray like a lost worker."""
_ENVIRONMENT = {
    # How long to wait for a node that Ray does not yet know to be dead.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "20",
    # How soon the end of a worker is noticed; the default is 2 s.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # Keep the working directory; do not show prints twice; collect no metrics, as none are used.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    # This is for Ray's own clusters in a cloud; here Slurm preempts jobs.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


# What gloo and NCCL say in plain RuntimeErrors when another process is gone.
_CONNECTION = re.compile(
    r"\b(gloo|nccl)\b|connection (closed|reset|refused)|broken pipe|process group", re.IGNORECASE
)
_FROM_C = re.compile(r"\[[^\]]*\.(cc|cpp|h|hpp):\d+\]")
"""How messages from C++ code begin: with the place where they were raised."""
_TALKS = ("torch.distributed.", "ray.train.")
_CALLS = (*_TALKS, "torch.", "pytorch_lightning.", "lightning_fabric.", "torchmetrics.")
_RAISES_FOR_OTHERS = "torch._utils"
"""This module only raises the errors of data-loading processes again."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a distributed training."""

    metrics: dict[str, float]
    workers: list[tuple[int, str]]
    """Rank and host name of each worker."""


class Plan(Protocol):
    """What the workers train: `Settings` of a denoiser, or a user's own training."""

    @property
    def output_dir(self) -> Path:
        """The output directory, on a file system that all nodes share."""
        ...

    @property
    def resume_from(self) -> Path | None:
        """A checkpoint to resume from."""
        ...


def train_distributed(
    settings: Plan,
    placement: Placement,
    *,
    hooks: Hooks,
    train: Callable[..., dict[str, float]] = train_part,
    find_unused_parameters: bool = False,
) -> Outcome:
    """Like `loop.train`, with the workers of `placement` in the Ray cluster of this process.

    `train` is what each worker does; with `find_unused_parameters` its steps need not use every
    parameter. The output directory must be on a file system that all nodes share. Raises the error
    of a worker that failed, and Ray's TrainingFailedError if workers are lost too often.
    """
    output_dir = settings.output_dir.absolute()
    (output_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=output_dir / FOLDER))
    plan = replace(settings, output_dir=output_dir)  # type: ignore[type-var]  # a dataclass
    work = Work(plan, hooks, folder, train, placement.workers, find_unused_parameters)
    try:
        work.lay_out()
        _fit(work, placement)
        answer = work.answer()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # a killed attempt may have left a folder in it
            folder.parent.rmdir()
    if isinstance(answer, Exception):
        raise answer
    if len(answer.workers) < placement.workers:
        log.warning(
            "training ended with %d workers of the %d asked for",
            len(answer.workers),
            placement.workers,
        )
    return answer


@dataclass(frozen=True, slots=True)
class Work:
    """What every worker gets; the same for each start of the workers."""

    settings: Plan
    hooks: Hooks
    folder: Path
    """On a shared file system; the workers of one training write their marks here."""
    train: Callable[..., dict[str, float]] = train_part
    workers: int = 0
    """How many workers were asked for; there may be fewer."""
    find_unused_parameters: bool = False

    def lay_out(self) -> None:
        """Make the marks as empty files.

        A node may cache for a minute that a file is missing. A file that exists is looked up again
        at every open (close-to-open consistency, nfs(5)).
        """
        self._answer_file.touch()
        self._saved_file.touch()

    def answer(self) -> Outcome | Exception:
        """The result or the error of the training, which must have ended."""
        with self.hooks.open_own(self._answer_file) as stream:
            found: Outcome | Exception = pickle.load(stream)
        return found

    @property
    def is_answered(self) -> bool:
        """Whether an earlier start of the workers has already ended the training."""
        return _is_written(self._answer_file)

    def leave_answer(self, answer: Outcome | Exception) -> None:
        """Write the answer for the whole training, which is then not tried again."""
        write_durably(self._answer_file, lambda stream: pickle.dump(answer, stream))

    def next_settings(self) -> Plan:
        """The settings to start with. They resume from this training's own checkpoint, if any."""
        if not _is_written(self._saved_file):
            return self.settings
        last = CheckpointFiles(self.settings.output_dir).last
        plan: Plan = replace(self.settings, resume_from=last)  # type: ignore[type-var]
        return plan

    def saved(self, path: Path) -> None:
        """Note that this training wrote `last`: another one may have left one in the folder."""
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
            # The number may fall: a lost node does not come back while the job goes on.
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
        # The answer says why a worker failed; Ray's error does not.
        if not work.is_answered:
            raise


def _trainer_class() -> Callable[..., Any]:
    from ray.train.torch import TorchTrainer

    class QuietTrainer(TorchTrainer):  # type: ignore[misc, unused-ignore]
        def _create_default_callbacks(self) -> list[Any]:
            # PlacementGroupCleaner frees what a dead driver leaves; here the cluster ends with the
            # driver. If there is no dashboard, it would ask for it and warn every second.
            callbacks: list[Any] = super()._create_default_callbacks()
            return [
                item for item in callbacks if "PlacementGroupCleaner" not in type(item).__name__
            ]

    return QuietTrainer


def do_work(config: dict[str, Work]) -> None:
    """What Ray Train runs in each worker."""
    from ray.train import get_context
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    work = config["work"]
    if work.is_answered:
        return
    is_first = get_context().get_world_rank() == 0
    if is_first:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        workers = processes()
        if is_first and len(workers) < work.workers:
            log.warning("training on %d workers of the %d asked for", len(workers), work.workers)
        metrics = work.train(
            work.next_settings(),
            hooks=replace(work.hooks, saved=work.saved),
            devices="auto",
            strategy=RayDDPStrategy(find_unused_parameters=work.find_unused_parameters),
            plugins=[RayLightningEnvironment(), DurableCheckpointIO(work.hooks.open_own)],
        )
    except StoppedEarlyError as stopped:  # at the same step on all workers
        answer: Outcome | Exception = stopped
    except Exception as error:
        if not is_loss_of_a_worker(error):
            # The error would occur again. Others may wait for this worker: the group must end.
            work.leave_answer(as_answer(error))
        raise
    else:
        answer = Outcome(metrics, workers)
    if is_first:
        work.leave_answer(answer)


def is_loss_of_a_worker(error: Exception) -> bool:
    """Whether the error only shows that another worker was lost, so a new start may help."""
    import torch.distributed

    if isinstance(error, torch.distributed.DistError):
        return True
    # Errors of the trained module may have the same types and words, but are raised elsewhere.
    module, words = _raising_module(error), f"{error}"
    if isinstance(error, (ConnectionError, TimeoutError)):
        return module.startswith(_TALKS)
    in_library = module.startswith(_CALLS) and module != _RAISES_FOR_OTHERS
    is_plain = type(error) is RuntimeError and bool(_CONNECTION.search(words))
    return is_plain and (in_library or bool(_FROM_C.match(words)))


def _raising_module(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))


def as_answer(error: Exception) -> Exception:
    """The error as it reaches the driver: with the worker's traceback, and picklable."""
    trace_text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # any class may be raised, and its own code pickles it
        return RuntimeError(trace_text)
    error.add_note(f"In the worker:\n{trace_text}")
    return error
