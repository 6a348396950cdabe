"""What a running experiment may know about where it runs, whichever backend runs it."""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic
from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.job.gpu_variables import count_visible
from tmgg.experiment_utils.run_folder.task import Worker

log = logging.getLogger(__name__)

__all__ = ["Rank", "RunContext", "RunNode", "Worker", "current_run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunNode:
    """One machine of a run, and what of it is the run's."""

    hostname: str
    address: str
    """As the other nodes reach it; empty without Ray."""
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
    """File that travelled beside the task, if one did."""
    stop_path: Path | None = None
    """When this file appears the run is to end soon; see `stop_requested`."""
    ray_address: str | None = None
    """The run's own Ray cluster; already connected when the experiment starts. None without Ray."""
    nodes: tuple[RunNode, ...] = ()
    """The machines of the run: those of its Ray cluster, or the one it runs on."""
    checkpoint_note: Path | None = None
    """Where `note_checkpoint` keeps its word from one attempt to the next."""
    rank: Rank | None = None
    """Which process of the run this is; None where it has only one."""
    rank_dir: Path | None = None
    """TMGG's own files of this rank; None where the run has only one process."""

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for the run: it has only this one, or this is rank 0."""
        return self.rank is None or self.rank.rank == 0

    @property
    def returns_dir(self) -> Path:
        """Where this process leaves what its task returned, for the waiting side to pick up."""
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
        """The newest checkpoint that was noted, by this or an earlier attempt, and still exists."""
        if self.checkpoint_note is None:
            return None
        try:
            path = Path(read_trusted(self.checkpoint_note, own=True).decode().rstrip("\n"))
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return path if path.is_absolute() and is_there(path) else None

    def note_checkpoint(self, path: Path | str) -> None:
        """Tell later attempts of this run to go on from `path`, which must be complete."""
        if self.checkpoint_note is not None:
            note, words = self.checkpoint_note, f"{Path(path).absolute()}\n".encode()
            try:
                leave(lambda: write_atomic(note, words), note.parent)
            except OSError as error:
                log.warning("later attempts will not go on from %s: %s", path, error)

    def stop_requested(self) -> bool:
        """Whether to save a checkpoint and raise `tmgg.errors.StoppedEarlyError` now.

        The time limit is near, another job takes the nodes, or somebody asked for the end. Costs
        one stat(2). An experiment that asks is left time to save its state when the run is to end;
        one that never does is ended at once.
        """
        _told.heeds_stop = True
        # A file system that does not answer has not asked for an end; it is looked at again.
        return self.stop_path is not None and os.path.exists(self.stop_path)  # noqa: PTH110

    def report_workers(self, workers: Sequence[Worker]) -> None:
        """Say which processes took part in the computation; they are listed in the result."""
        _told.workers = tuple(workers)


@dataclass(slots=True)
class _Told:
    """What the experiment has let its run know."""

    heeds_stop: bool = False
    workers: tuple[Worker, ...] = field(default=())


_current: RunContext | None = None
_told = _Told()


def current_run() -> RunContext | None:
    """The run this process executes; None outside a run."""
    return _current


def this_machine() -> RunNode:
    """The node of a run without Ray: this machine, as far as this process may use it."""
    return RunNode(
        hostname=socket.gethostname(),
        address="",
        cpus=len(os.sched_getaffinity(0)),
        gpus=count_visible(os.environ) or 0,
    )


def set_current_run(context: RunContext | None) -> None:
    """Only the code that starts experiments calls it; an experiment never does."""
    global _current, _told
    _current, _told = context, _Told()


def heeds_stop() -> bool:
    """Whether the running experiment has ever asked if it is to stop."""
    return _told.heeds_stop


def reported_workers() -> tuple[Worker, ...]:
    """The workers the running experiment reported."""
    return _told.workers
