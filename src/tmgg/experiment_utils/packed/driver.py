"""Starts every run of a batch on a node and waits for its end, while there are time and nodes."""

import logging
import time
from collections.abc import Callable, Mapping

from tmgg.experiment_utils.job.job_exit_codes import CANNOT_WRITE, NO_NODES, TERMINATED
from tmgg.experiment_utils.job.stopping import TIME_LIMIT, drop_stop
from tmgg.experiment_utils.packed.allocation import Allocation
from tmgg.experiment_utils.packed.keeper import NOT_NEEDED, RECORDED
from tmgg.experiment_utils.packed.nodes import Event, Nodes
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.packed.schedule import STARTS, Schedule
from tmgg.experiment_utils.packed.unfinished_runs import (
    leave_last_words,
    lost,
    not_begun,
    unwritable,
)
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.supervisor.run_end import KILL_AFTER_S

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_AFTER_TERM_S = KILL_AFTER_S + 5.0


class Driver:
    """Runs a batch on nodes; `now` is Unix time.

    `is_superseded` returns whether the job has begun again on other nodes. Then the runs belong to
    the later start: this driver starts no more, ends its runs and writes no records of them.
    """

    def __init__(
        self,
        runs: Mapping[str, SubmissionPaths],
        nodes: Nodes,
        allocation: Allocation,
        *,
        is_superseded: Callable[[], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._runs = runs
        self._is_superseded = is_superseded
        self._nodes = nodes
        self._allocation = allocation
        self._now = now
        self._schedule = Schedule(runs)
        self._is_stopping = False
        self._is_ending = False
        self._give_up_at: float | None = None
        self._last_loss = ""

    def terminate(self) -> None:
        """The allocation is being ended from outside: start no more runs, and end those running."""
        if self._give_up_at is None:
            self._give_up_at = self._now() + _AFTER_TERM_S

    def run(self) -> int:
        """Run until every run has ended or cannot begin; return the job's exit code."""
        while not self._schedule.is_done:
            if self._is_superseded():
                self.terminate()
            if self._give_up_at is not None:
                return self._run_down(self._give_up_at)
            self._watch_time()
            self._start_runs()
            self._look()
            if not self._nodes.count:
                self._leave_unbegun(f"not one node is left; {self._last_loss}")
                return NO_NODES
        return 0

    def _run_down(self, deadline: float) -> int:
        # No records for runs that have not begun: the scheduler knows better why the job ends.
        self._schedule.drop_waiting()
        self._nodes.terminate()
        while not self._schedule.is_done and self._nodes.count and self._now() < deadline:
            self._look()
            self._schedule.drop_waiting()
        return TERMINATED

    def _watch_time(self) -> None:
        now = self._now()
        if not self._is_stopping and self._allocation.is_time_to_stop(now):
            self._is_stopping = True
            self._leave_unbegun("the allocation's time was nearly over")
            for run in self._schedule.running:
                drop_stop(self._runs[run], TIME_LIMIT)
        if not self._is_ending and self._allocation.is_time_to_end(now):
            self._is_ending = True
            self._nodes.end_for_time()

    def _start_runs(self) -> None:
        while (assignment := self._schedule.next()) is not None:
            order = Order(
                folder=str(self._runs[assignment.run].folder),
                job_id=self._allocation.job_id,
                restart=self._allocation.restart,
            )
            self._nodes.start(assignment, order)

    def _look(self) -> None:
        for event in self._nodes.wait(_LOOK_EVERY_S):
            self._on_event(event)

    def _on_event(self, event: Event) -> None:
        if event.kind == "node_ready":
            self._schedule.add_node(event.node, runs_at_once=event.runs_at_once)
        elif event.kind == "node_lost":
            self._schedule.remove_node(event.node)
            self._last_loss = f"lost {event.node}: {event.why}"
            log.warning("lost %s: %s", event.node, event.why)
        elif event.kind == "run_ended" and event.code in (RECORDED, NOT_NEEDED):
            self._schedule.ended(event.run)
        else:
            self._lost(event)

    def _lost(self, event: Event) -> None:
        why = event.why or f"its supervisor ended with code {event.code}"
        again = self._schedule.lost(event.run)
        log.warning("run %s was lost on %s: %s", event.run, event.node, why)
        if again and self._is_stopping:
            self._leave_unbegun("the allocation's time was nearly over when its node was lost")
        elif not again and not self._is_superseded():
            disk = event.code == CANNOT_WRITE
            words = unwritable(event.node) if disk else lost(event.node, why, starts=STARTS)
            paths = self._runs[event.run]
            leave_last_words(paths, self._allocation, words, host=event.node)

    def _leave_unbegun(self, why: str) -> None:
        dropped = self._schedule.drop_waiting()
        if dropped:
            log.warning("%d runs did not begin: %s", len(dropped), why)
        for run in dropped:
            leave_last_words(self._runs[run], self._allocation, not_begun(self._allocation, why))
