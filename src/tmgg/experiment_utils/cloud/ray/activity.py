"""Whether the Ray of this machine has work, also if its dashboard does not answer."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.ray.request import ENTRY
from tmgg.experiment_utils.supervisor import processes

# A busy dashboard may leave some questions unanswered; a dashboard that died stays dead.
_SILENT_S = 120.0


class Activity:
    """Watches whether one Ray has work; made when that Ray is up.

    `has_open_jobs` asks the dashboard, and raises QueryError if that does not answer. `has_runs`
    looks at the processes.
    """

    def __init__(
        self,
        has_open_jobs: Callable[[], bool],
        *,
        has_runs: Callable[[], bool],
        notice: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._has_open_jobs = has_open_jobs
        self._has_runs = has_runs
        self._notice = notice
        self._monotonic = monotonic
        self._answered_at = monotonic()
        self._is_silent = False

    def is_busy(self) -> bool:
        """Whether this Ray must not end. Also true for a limited time if that is not known."""
        try:
            busy = self._has_open_jobs()
        except QueryError as error:
            if not self._is_silent:
                self._notice(str(error))
            self._is_silent = True
            return self._monotonic() - self._answered_at < _SILENT_S or self._has_runs()
        self._answered_at = self._monotonic()
        self._is_silent = False
        return busy


def has_runs_below(root: int) -> bool:
    """Whether a process of a run lives among the descendants of `root`."""
    for pid in processes.descendants(root):
        with contextlib.suppress(OSError):  # the process may have ended in the meantime
            if ENTRY.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
    return False
