"""What a running experiment may know about where it runs, whichever backend runs it."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tmgg.experiment_utils.atomic_file import JsonDict, write_atomic
from tmgg.experiment_utils.task import Worker

__all__ = ["RunContext", "RunNode", "Worker", "current_run"]


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
            path = Path(self.checkpoint_note.read_text().rstrip("\n"))
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return path if path.is_absolute() and path.exists() else None

    def note_checkpoint(self, path: Path | str) -> None:
        """Tell later attempts of this run to go on from `path`, which must be complete."""
        if self.checkpoint_note is not None:
            write_atomic(self.checkpoint_note, f"{Path(path).absolute()}\n".encode())

    def stop_requested(self) -> bool:
        """Whether to save a checkpoint and raise `tmgg.errors.StoppedEarlyError` now.

        The time limit is near, another job takes the nodes, or somebody asked for the end. Costs
        one stat(2). An experiment that asks is left time to save its state when the run is to end;
        one that never does is ended at once.
        """
        _told.heeds_stop = True
        return self.stop_path is not None and self.stop_path.exists()

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
    """Of a run without Ray: this machine, as far as this process may use it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return RunNode(
        hostname=socket.gethostname(),
        address="",
        cpus=len(os.sched_getaffinity(0)),
        # Slurm says NoDevFiles where it hands out none.
        gpus=len([device for device in visible if device not in ("", "-1", "NoDevFiles")]),
    )


def set_current_run(context: RunContext | None) -> None:
    """For the code that starts experiments; an experiment never calls it."""
    global _current, _told
    _current, _told = context, _Told()


def heeds_stop() -> bool:
    """Whether the running experiment has ever asked if it is to stop."""
    return _told.heeds_stop


def reported_workers() -> tuple[Worker, ...]:
    """The workers the running experiment reported."""
    return _told.workers
