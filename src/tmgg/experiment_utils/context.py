"""What a running experiment may know about where it runs, whichever backend runs it."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["RunContext", "current_run"]


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
    """When this file appears the experiment should save a checkpoint and return."""
    ray_address: str | None = None
    """The run's own Ray cluster; already connected when the experiment starts. None without Ray."""

    def stop_requested(self) -> bool:
        """Whether to checkpoint and return now; costs one stat(2)."""
        return self.stop_path is not None and self.stop_path.exists()


_current: RunContext | None = None


def current_run() -> RunContext | None:
    """The run this process executes; None outside a run."""
    return _current


def set_current_run(context: RunContext | None) -> None:
    """For the code that starts experiments; an experiment never calls it."""
    global _current
    _current = context
