"""Futures of calls, opened from a pickle: in another process, on another day, or as a copy.

A pickle of a future says which run it is and where, nothing else. What the run gave is read from
its record, with the same trust as for `runner.future(run_id)`.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

from tmgg.errors import RunError, UnreadableError
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.futures.calling import Calls
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun, read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.runners_on_record import RunnersOnRecord
from tmgg.experiment_utils.run_folder.registry import find_run


def open_future(run_id: str, folder: str, is_cancelled: bool) -> RunFuture[Any]:
    """Pickles name this function: its name and its arguments stay as they are.

    A run that is not on record any more is its future's error, so that the others of a list open.
    Raises UnreadableError or OSError when nothing can be read now.
    """
    try:
        run = read_known_run(find_run(run_id, [Path(folder)]))
        calls = _reopened(os.getpid()).calls_of(run)
    except UnreadableError:
        raise
    except RunError as error:
        lost: RunFuture[Any] = RunFuture(None, run_id, folder=Path(folder))
        lost.fail(error)
        return lost
    return calls.reopen(run_id, is_cancelled=is_cancelled)


class _Reopened:
    """What the futures share that one process has opened: one watcher for each runner."""

    def __init__(self) -> None:
        self._runners = RunnersOnRecord()
        self._calls: dict[RecordedRuns, Calls] = {}

    def calls_of(self, run: KnownRun) -> Calls:
        runs = self._runners.of(run)
        return self._calls.setdefault(runs, Calls(runs))


@cache
def _reopened(_process: int) -> _Reopened:
    """Anew in a forked process, which has none of its parent's threads."""
    return _Reopened()
