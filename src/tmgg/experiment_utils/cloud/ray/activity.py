"""Whether the Ray of this machine has work, also when its dashboard does not answer."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.ray.request import ENTRY
from tmgg.experiment_utils.supervisor import processes

# A dashboard that has died does not come back; one that is busy may miss some questions.
_SILENT_S = 120.0


class Activity:
    """What one Ray does, from the time when it is up.

    `has_open_jobs` raises QueryError where there is no answer; `has_runs` looks at the processes.
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
        """Whether it must not end: in doubt it must not, but for a limited time."""
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
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            if ENTRY.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
    return False
