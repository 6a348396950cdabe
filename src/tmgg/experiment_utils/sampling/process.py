"""The process that samples what a run uses; `beside` starts it, with an order as JSON."""

import json
import logging
import os
import select
import signal
import socket
from pathlib import Path

from tmgg.errors import IdleGpuError
from tmgg.experiment_utils.job.clock import Stopwatch, monotonic_s, sleep_s
from tmgg.experiment_utils.job.context import Rank
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.run_folder.rank_paths import RankPaths
from tmgg.experiment_utils.sampling.process_tree import ProcessTree, TreeUse, read_started_ticks
from tmgg.experiment_utils.sampling.sampler import Sampler

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5


def main(ended: int, order_text: str) -> None:
    """Sample until a byte comes from the pipe `ended`, or the experiment's process is gone."""
    logging.basicConfig(format="%(message)s")
    found = json.loads(order_text)
    paths = _paths(Path(found["folder"]), found["rank"])
    own = int(found["pid"])
    watch = Stopwatch(float(found["began_at"]), float(found["monotonic_s"]))

    def end_idle(error: IdleGpuError) -> None:
        # Imported only here, because it imports the whole job side.
        from tmgg.experiment_utils.job.execute import fail_from_outside

        fail_from_outside(paths, error, watch)
        os.kill(own, signal.SIGKILL)

    try:
        processes = ProcessTree(
            own, int(found["root"]), TreeUse(**found["first"]), read_started_ticks(own)
        )
        Sampler(paths, processes, watch, end_idle).run(_End(ended, processes).comes_within)
    except (OSError, ValueError, IndexError) as error:
        host = socket.gethostname()
        log.warning("what the run uses on %s is not sampled any more: %s", host, error)


class _End:
    """Notices the run's end: by a byte in the pipe, or by the end of its process."""

    def __init__(self, descriptor: int, processes: ProcessTree) -> None:
        self._descriptor: int | None = descriptor
        self._processes = processes

    def comes_within(self, duration_s: float) -> bool:
        """Wait for the run's end, at most so many seconds; whether it has ended."""
        deadline_s = monotonic_s() + duration_s
        while True:
            left_s = max(0.0, deadline_s - monotonic_s())
            if self._hears_within(left_s) or not self._processes.are_there:
                return True
            if monotonic_s() >= deadline_s:
                return False

    def _hears_within(self, duration_s: float) -> bool:
        if self._descriptor is None:
            sleep_s(min(duration_s, _LOOK_EVERY_S))
            return False
        if not select.select([self._descriptor], [], [], duration_s)[0]:
            return False
        if os.read(self._descriptor, 1):
            return True
        # All writers have ended, or the experiment has closed the pipe, which it did not open.
        self._descriptor = None
        return False


def _paths(folder: Path, rank: dict[str, int] | None) -> SubmissionPaths:
    paths = submission_paths(folder)
    return paths if rank is None else RankPaths(paths.run_paths, paths.number, rank=Rank(**rank))
