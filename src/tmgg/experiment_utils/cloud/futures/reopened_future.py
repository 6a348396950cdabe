"""Makes futures of calls from their pickles, for example in another process, or as a copy.

A pickle of a future holds only the run's id, its folder and whether it was cancelled. The result is
read from the run's record, with the same trust as for `runner.future(run_id)`.
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
    """Make a future of the run. Pickles name this function: do not change its name or arguments.

    If the run is not on record any more, the future fails with that error, so that the other
    futures of a list can be opened. Raises UnreadableError or OSError if nothing can be read now.
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
    """What the futures that one process has opened share: one watcher for each runner."""

    def __init__(self) -> None:
        self._runners = RunnersOnRecord()
        self._calls: dict[RecordedRuns, Calls] = {}

    def calls_of(self, run: KnownRun) -> Calls:
        runs = self._runners.of(run)
        return self._calls.setdefault(runs, Calls(runs))


@cache
def _reopened(_process: int) -> _Reopened:
    """One for each process: a forked process does not have its parent's threads."""
    return _Reopened()
