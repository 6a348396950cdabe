"""What a running experiment can learn about its run, the same for all backends."""

import contextlib
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tmgg.errors import ForeignFileError
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import appears, is_there, look_anew_on_the_way
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.job.gpu_variables import count_visible
from tmgg.experiment_utils.run_folder.task import Worker

log = logging.getLogger(__name__)

__all__ = ["Rank", "RunContext", "RunNode", "Worker", "current_run"]

MOST_NOTED = 100
"""Only the newest checkpoints are noted, up to this number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunNode:
    """One machine of a run, and the CPUs and GPUs of it that the run has."""

    hostname: str
    address: str
    """The address at which the other nodes reach it; empty without Ray."""
    cpus: float
    gpus: float

    def to_json(self) -> JsonDict:
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rank:
    """One process of a run that was asked for as several (`slurm_tasks_per_node`)."""

    rank: int
    """0 is the one whose return value is the run's result."""
    world_size: int
    local_rank: int = 0
    local_world_size: int = 1
    node_rank: int = 0

    def to_json(self) -> JsonDict:
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """Given by `current_run()` while an experiment runs."""

    run_id: str
    output_dir: Path
    """The experiment's own files go here; on a cluster it is on the shared file system."""
    attempt: int = 1
    """1 at first; grows with every restart and every retry of the run."""
    payload_path: Path | None = None
    """The payload file beside the task; None if there is none."""
    stop_path: Path | None = None
    """When this file appears, the run must end soon; see `stop_requested`."""
    ray_address: str | None = None
    """The run's own Ray cluster; already connected when the experiment starts. None without Ray."""
    nodes: tuple[RunNode, ...] = ()
    """The machines of the run: those of its Ray cluster, or the one it runs on."""
    checkpoint_note: Path | None = None
    """The file in which `note_checkpoint` notes checkpoints for the next attempts."""
    rank: Rank | None = None
    """The rank of this process; None if the run has only one process."""
    rank_dir: Path | None = None
    """The folder for TMGG's files of this rank; None if the run has only one process."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run's result: it is the only one, or rank 0."""
        return self.rank is None or self.rank.rank == 0

    @property
    def returns_dir(self) -> Path:
        """The folder in which this process writes the value that its task returned."""
        return self.output_dir if self.rank_dir is None else self.rank_dir

    @property
    def resources(self) -> Mapping[str, float]:
        """`CPU` and `GPU` of all nodes together."""
        return {
            "CPU": sum(node.cpus for node in self.nodes),
            "GPU": sum(node.gpus for node in self.nodes),
        }

    @property
    def previous_checkpoint(self) -> Path | None:
        """The checkpoint that earlier attempts noted last; None if it does not exist any more."""
        noted = self._noted_before()
        return noted[-1] if noted and _is_there_by_now(noted[-1]) else None

    def has_left(self, checkpoint: Path) -> bool:
        """Whether an earlier attempt noted this file, perhaps not as its last, and it exists."""
        return checkpoint.absolute() in self._noted_before() and _is_there_by_now(checkpoint)

    def note_checkpoint(self, path: Path | str) -> None:
        """Tell later attempts of this run to go on from `path`, which must be complete."""
        if (note := self.checkpoint_note) is None:
            return
        newest = Path(path).absolute()

        def add() -> None:
            with contextlib.suppress(ForeignFileError):
                self._noted_before()
            write_atomic(note, "".join(f"{item}\n" for item in _added(note, newest)).encode())

        try:
            leave(add, note.parent)
        except OSError as error:
            log.warning("later attempts will not go on from %s: %s", path, error)

    def own_folder(self, wanted: Path) -> Path:
        """`wanted` at the first call with it in this attempt; a new subfolder of it at later calls.

        So in each attempt, files of one training of a run are not taken for those of another.
        """
        folder = wanted.resolve()
        _told.folders.append(folder)
        number = _told.folders.count(folder)
        return wanted if number == 1 else wanted / f"training-{number}"

    def _noted_before(self) -> tuple[Path, ...]:
        """The checkpoints that earlier attempts noted, newest last."""
        if self.checkpoint_note is None:
            return ()
        if _told.noted_before is None:
            _told.noted_before = tuple(_read_noted(self.checkpoint_note))
        return _told.noted_before

    def stop_requested(self) -> bool:
        """Whether to save a checkpoint and raise `tmgg.errors.StoppedEarlyError` now.

        It is True if the time limit is near, if another job takes the nodes, or if a user asked for
        the end. A call opens the run's folder and looks for one file there, so call it every few
        seconds. An experiment that calls it gets time to save its state when the run must end; one
        that never does is ended at once.
        """
        _told.heeds_stop = True
        # If the file system does not answer, the result is False; the next call looks again.
        return self.stop_path is not None and appears(self.stop_path)

    def report_workers(self, workers: Sequence[Worker]) -> None:
        """Report which processes took part in the computation; the result lists them."""
        _told.workers = tuple(workers)


@dataclass(slots=True)
class _Told:
    """What the experiment told TMGG by its calls of `RunContext`."""

    heeds_stop: bool = False
    workers: tuple[Worker, ...] = field(default=())
    noted_before: tuple[Path, ...] | None = None
    """Checkpoints of earlier attempts; None until they are read for the first time."""
    folders: list[Path] = field(default_factory=list)
    """See `RunContext.own_folder`."""


def _is_there_by_now(checkpoint: Path) -> bool:
    """Whether the file exists; an earlier attempt may have made it on another node."""
    look_anew_on_the_way(checkpoint.parent)
    return is_there(checkpoint)


def _read_noted(note: Path) -> list[Path]:
    try:
        lines = read_trusted(note, own=True).decode().splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return []
    return [path for path in map(Path, lines) if path.is_absolute()]


def _added(note: Path, newest: Path) -> list[Path]:
    try:
        before = _read_noted(note)
    except ForeignFileError:
        before = []
    return [*(path for path in before if path != newest), newest][-MOST_NOTED:]


_current: RunContext | None = None
_told = _Told()


def current_run() -> RunContext | None:
    """The run this process executes; None outside a run."""
    return _current


def this_machine() -> RunNode:
    """The node of a run without Ray: this machine, with the CPUs and GPUs of this process."""
    return RunNode(
        hostname=socket.gethostname(),
        address="",
        cpus=len(os.sched_getaffinity(0)),
        gpus=count_visible(os.environ) or 0,
    )


def set_current_run(context: RunContext | None) -> None:
    """Set the run of this process. Only code that starts experiments calls this."""
    global _current, _told
    _current, _told = context, _Told()


def heeds_stop() -> bool:
    """Whether the running experiment has ever called `stop_requested`."""
    return _told.heeds_stop


def reported_workers() -> tuple[Worker, ...]:
    """The workers the running experiment reported."""
    return _told.workers
