"""Calls that were submitted together: which of them are under way, and which still wait."""

import contextlib
import logging
from collections import deque
from typing import Any

from tmgg.errors import SubmissionError
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.futures.end_of_python import python_kept
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.sweep.dispatch import PatientDispatch
from tmgg.experiment_utils.cloud.sweep.recorded_plan import RecordedPlan
from tmgg.experiment_utils.error_text import text_of, text_of_any
from tmgg.experiment_utils.run_folder.failures import failure

log = logging.getLogger(__name__)

Futures = dict[str, RunFuture[Any]]


class CallGroup:
    """Calls that were submitted together: those that still wait, and those that are under way."""

    def __init__(self, runs: RunControl, recorded: RecordedPlan) -> None:
        plan = recorded.plan
        self._runs = runs
        self.sweep_id = plan.sweep_id
        self.is_resumed = plan.is_resumed
        self._dispatcher = PatientDispatch(recorded.dispatcher)
        self._requests = {str(request.run_id): request for request in plan.requests}
        self._waiting = deque(plan.requests)
        self.futures: Futures = {run_id: RunFuture(runs, run_id) for run_id in self._requests}
        self._open: set[str] = set()
        # Held all the time, not only renewed at each poll: polls may take long, or be rare.
        self._lease = contextlib.ExitStack()
        self._lease.enter_context(runs.holding_lease(plan.sweep_id))
        self._keeps_python = False
        self.held = ""
        """The backend's reason why the other calls wait; empty if only `parallelism` does."""

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def count(self) -> int:
        """How many calls there are."""
        return len(self.futures)

    @property
    def waiting_count(self) -> int:
        """How many calls are not submitted yet, and not cancelled."""
        return sum(not self.futures[str(each.run_id)].done() for each in self._waiting.copy())

    def dispatch(self) -> Futures:
        """Submit what can be submitted now; returns the futures of the runs that were launched.

        If it raises, the caller calls `give_up`.
        """
        launched = self._dispatch()
        if not self._waiting:
            self._end_waiting()
        elif not self._keeps_python:
            self._keeps_python = True
            self._lease.enter_context(python_kept(self))
        return launched

    def _dispatch(self) -> Futures:
        launched: Futures = {}
        refused: dict[str, str] = {}
        while self._waiting:
            self._open = {run_id for run_id in self._open if not self.futures[run_id].done()}
            self._drop_cancelled()
            try:
                done = self._dispatcher.dispatch(list(self._waiting), open_count=len(self._open))
            except Exception as error:
                if not launched:
                    raise
                # First the launched runs must be watched. A lasting error is raised next time.
                self.held = text_of(error)
                break
            self.held = done.held
            for run_id in done.launched:
                launched[run_id] = self.futures[run_id]
                self._open.add(run_id)
            for run_id, words in done.refused.items():
                self.futures[run_id].fail(SubmissionError(words))
            refused |= done.refused
            self._waiting = deque(
                each for each in self._waiting if str(each.run_id) not in done.run_ids
            )
            if not done.refused:
                break
        if refused:
            self._warn(len(refused), next(iter(refused.values())))
        return launched

    def wait_again(self, run_id: str) -> None:
        """Let a launched call wait again, because it was not submitted after all."""
        self._open.discard(run_id)
        self._waiting.append(self._requests[run_id])

    def refuse(self, words: str) -> None:
        """As `give_up`, because the backend takes no call; `words` says why."""
        self.give_up(SubmissionError(f"Nothing of the runner is under way, and still: {words}"))

    def give_up(self, error: BaseException) -> None:
        """Fail the waiting calls with the error that kept them from submission, and record it."""
        if self.waiting_count:
            why = text_of_any(error) or type(error).__name__
            self._runs.end_sweep(self.sweep_id, failure("submission", why))
            self._warn(self.waiting_count, why)
        for request in self._waiting:
            self.futures[str(request.run_id)].fail(error)
        self._waiting.clear()
        self._end_waiting()

    def _warn(self, count: int, why: str) -> None:
        """Warn also if the program never asks the futures, which have the error."""
        log.warning(
            "%d of %d calls of sweep %s were not submitted (tmgg-jobs retry %s submits them): %s",
            *(count, self.count, self.sweep_id, self.sweep_id, why),
        )

    def _end_waiting(self) -> None:
        self._keeps_python = False
        self._lease.close()

    def _drop_cancelled(self) -> None:
        self._waiting = deque(
            each for each in self._waiting if not self.futures[str(each.run_id)].done()
        )
