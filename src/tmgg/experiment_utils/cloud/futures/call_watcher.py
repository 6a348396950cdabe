"""The thread of a runner that watches all of its futures, and ends when all of them are done.

It waits with `waiting.Watch`: one question for all runs, asked less and less often, and frequent
listings of the folder in which jobs leave their exit records.
"""

import contextlib
import logging
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from tmgg.errors import BackendError, NotEndedError, RunError, TmggError
from tmgg.experiment_utils.cloud.futures.call_future import RunFuture
from tmgg.experiment_utils.cloud.futures.call_group import CallGroup, Futures
from tmgg.experiment_utils.cloud.futures.call_results import outcome_of, settle
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock, Watch
from tmgg.experiment_utils.cloud.sweep.driver import FIRST_HOLD_S, LONGEST_HOLD_S
from tmgg.experiment_utils.error_text import text_of_any
from tmgg.experiment_utils.files.hiccups import Hiccups

log = logging.getLogger(__name__)

AFTER_TROUBLE_S = 5.0
_Watched = dict[str, list[RunFuture[Any]]]  # a run may have several futures, for example copies


class CallWatcher:
    """Watches one runner's calls, in a daemon thread, so the interpreter can end."""

    def __init__(self, runs: RunControl, clock: Clock | None = None) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        self._new: list[tuple[Futures, CallGroup | None]] = []
        self._thread: threading.Thread | None = None
        self._clock = clock or _WakingClock()
        self._watch = _new_watch(self)
        self._futures: _Watched = {}
        self._groups: list[CallGroup] = []
        self._resumed: dict[str, CallGroup] = {}
        """The groups that may have found runs of other launchers, by run id."""
        self._held_s = 0.0
        self._hold_s = FIRST_HOLD_S
        self._hiccups = Hiccups(self._clock.monotonic)

    def watch(self, futures: Futures, group: CallGroup | None = None) -> None:
        """Settle these futures, whose runs are under way, when their runs end.

        Also submits the waiting calls of `group` when there is room. Can be called from any thread.
        """
        with self._lock:
            self._new.append((futures, group))
            if self._thread is None or not self._thread.is_alive():
                name = f"tmgg-{self._runs.traits.name}-futures"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
        self._wake()

    def _wake(self) -> None:
        if isinstance(self._clock, _WakingClock):
            self._clock.wake()

    def _let_go(self, future: Future[Any]) -> None:
        """If the future was cancelled, wake the thread, so that it stops polling the run."""
        if future.cancelled():
            self._wake()

    def seen(self, states: Sequence[RunState]) -> None:
        """Take the current states of the runs; called after each poll."""
        for group in self._groups:
            self._runs.show_alive(group.sweep_id)
        for state in states:
            for future in self._futures.get(state.run_id, ()):
                future.seen(state)

    def _run(self) -> None:
        try:
            while self._take_in():
                self._dispatch()
                self._settle_ended()
        except BaseException as error:  # the thread ends: the futures must not stay open for ever
            log.exception("the futures of the %s runner are given up", self._runs.traits.name)
            self._give_up(_harmless(error))

    def _take_in(self) -> bool:
        """Take in new futures and groups. False if there is nothing to do: the thread then ends."""
        with self._lock:
            new, self._new = self._new, []
            for futures, group in new:
                self._add(futures)
                self._groups += [group] if group is not None and group.is_waiting else []
                if group is not None and group.is_resumed:
                    self._resumed |= dict.fromkeys(group.futures, group)
            if self._futures or self._groups:
                return True
            self._resumed = {}
            self._thread = None
            return False

    def _add(self, futures: Futures) -> None:
        for run_id, future in futures.items():
            if not future.done():
                self._futures.setdefault(run_id, []).append(future)
                self._watch.add(run_id, future.job_id)
                future.add_done_callback(self._let_go)

    def _dispatch(self) -> None:
        for group in self._groups:
            self._runs.show_alive(group.sweep_id)
            try:
                self._add(group.dispatch())
            except Exception as error:  # it concerns only the calls of this group
                group.give_up(error)
        self._groups = [group for group in self._groups if group.is_waiting]

    def _settle_ended(self) -> None:
        self._drop_cancelled()
        if not self._watch.open_count:
            self._wait_for_room()
            return
        self._held_s, self._hold_s = 0.0, FIRST_HOLD_S
        try:
            ended = self._watch.next_ended()
        except _WokenError:
            return
        except RunError:
            self._fail_broken()
            return
        except OSError as error:
            log.warning("the runs could not be asked about: %s", error)
            self._sleep(AFTER_TROUBLE_S)
            return
        unread = [state for state in ended if not self._collect(state)]
        if unread:
            self._sleep(AFTER_TROUBLE_S)

    def _collect(self, ended: RunState) -> bool:
        """Settle the run's futures. False if its files cannot be read now; it is watched again."""
        run_id = ended.run_id
        futures = [future for future in self._futures.pop(run_id) if not future.done()]
        if not futures:
            return True
        try:
            if self._is_to_take_over(ended):
                futures = self._take_over(run_id, futures)
            if not futures:
                return True
            result = self._runs.result_of(ended)
            outcome = outcome_of(result)
        except NotEndedError:  # another process submitted it again just now
            self._add_again(run_id, futures)
        except (TmggError, OSError) as error:
            if self._hiccups.bearable(run_id, error):
                log.warning("what run %s returned cannot be read now: %s", run_id, error)
                self._add_again(run_id, futures)
                return False
            _fail(futures, error)
        except Exception as error:  # for example MemoryError because of a huge value
            _fail(futures, error)
        else:
            self._hiccups.over(run_id)
            for future in futures:
                settle(future, result, outcome)
        return True

    def _is_to_take_over(self, ended: RunState) -> bool:
        """Whether another launcher that had the run on record ended before it submitted it."""
        is_unsubmitted = ended.failure is not None and ended.failure.kind == "submission"
        is_ours = is_unsubmitted and ended.run_id in self._resumed
        return is_ours and self._runs.was_abandoned(ended.run_id)

    def _take_over(self, run_id: str, futures: Sequence[RunFuture[Any]]) -> list[RunFuture[Any]]:
        """Let the run wait for its submission here; returns the futures that do not wait for it."""
        group = self._resumed.pop(run_id)
        group.wait_again(run_id)
        if group not in self._groups:
            self._groups.append(group)
        return [future for future in futures if future is not group.futures[run_id]]

    def _add_again(self, run_id: str, futures: Sequence[RunFuture[Any]]) -> None:
        for future in futures:
            self._add({run_id: future})

    def _drop_cancelled(self) -> None:
        for run_id, futures in list(self._futures.items()):
            if not (still_open := [future for future in futures if not future.done()]):
                del self._futures[run_id]
                self._watch.drop(run_id)
            elif len(still_open) < len(futures):
                self._futures[run_id] = still_open

    def _fail_broken(self) -> None:
        """Fail the futures of runs whose records cannot be read; the others stay open."""
        run_ids = self._watch.open_runs
        for run_id, found in zip(run_ids, self._runs.poll_each(run_ids), strict=True):
            if isinstance(found, RunError):
                self._watch.drop(run_id)
                _fail(self._futures.pop(run_id), found)

    def _wait_for_room(self) -> None:
        """Wait before the next attempt to submit, if no run is under way that could make room.

        After `submit_patience_s` the waiting calls are refused.
        """
        if not self._groups:
            return
        if self._held_s >= self._runs.traits.submit_patience_s:
            for group in self._groups:
                group.refuse(group.held)
            self._groups = []
            return
        self._sleep(self._hold_s)
        self._held_s, self._hold_s = (
            self._held_s + self._hold_s,
            min(self._hold_s * 2, LONGEST_HOLD_S),
        )

    def _sleep(self, duration_s: float) -> None:
        try:
            self._clock.sleep(duration_s)
        except _WokenError:
            return

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            new, self._new = self._new, []
            self._thread = None
            self._watch = _new_watch(self)
            groups, self._groups = self._groups, []
            futures, self._futures = self._futures, {}
        for more, group in new:
            _fail(more.values(), error)
            groups += [] if group is None else [group]
        for watched in futures.values():
            _fail(watched, error)
        for group in groups:
            _fail(group.futures.values(), error)
            with contextlib.suppress(Exception):  # if this fails, the lease ends by itself
                group.give_up(error)


def _fail(futures: Iterable[RunFuture[Any]], error: Exception) -> None:
    for future in futures:
        future.fail(error)


def _harmless(error: BaseException) -> Exception:
    """An Exception in place of a BaseException, which would end the program that asks a future."""
    if isinstance(error, Exception):
        return error
    words = f"{type(error).__name__}: {text_of_any(error)}"
    return BackendError(
        f"the thread that watches the runs ended ({words}). They go on; runner.future(run_id) "
        "gives a new future of each."
    )


class _WokenError(Exception):
    """There is something new to watch."""


class _WakingClock(Clock):
    """A clock whose sleep another thread can end."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> None:
        self._event.set()

    def sleep(self, duration_s: float) -> None:
        if self._event.wait(duration_s):
            self._event.clear()
            raise _WokenError


class _SharedWatch(Watch[str]):
    """A watch to which runs are added while it waits.

    Exit records that it has already seen may belong to the added runs, so it forgets them.
    """

    def add(self, run: str, job_id: str | None = None) -> None:
        super().add(run, job_id)
        self._heard = set()


def _new_watch(watcher: CallWatcher) -> Watch[str]:
    return _SharedWatch(watcher._runs, on_update=watcher.seen, clock=watcher._clock)
