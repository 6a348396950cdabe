"""What happens at the end of the program to calls that are not submitted yet.

Only this process can submit them. So Python ends when they are submitted, as it ends after the
calls of an executor of the standard library. After an error or Ctrl-C, and in an interactive
session, it ends at once. Then a warning says how many calls are left.
"""

import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from functools import cache
from typing import Protocol

log = logging.getLogger(__name__)


class WaitingCalls(Protocol):
    """The calls of one `map` or `batch`."""

    @property
    def sweep_id(self) -> str: ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def waiting_count(self) -> int:
        """How many are not submitted yet, and not cancelled."""
        ...


@contextlib.contextmanager
def python_kept(calls: WaitingCalls) -> Iterator[None]:
    """Within the block, keep Python from ending, or warn at its end."""
    keeper = _keeper(os.getpid())
    keeper.add(calls)
    try:
        yield
    finally:
        keeper.drop(calls)


class _Keeper:
    """A thread for all waiting calls of one process.

    It is no daemon, so Python waits for its end. `atexit` would be too late: Python 3.12 and newer
    start no process and no thread at that time.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._changed = threading.Condition()
        self._waiting: list[WaitingCalls] = []
        self._thread: threading.Thread | None = None
        atexit.register(self._warn)

    def add(self, calls: WaitingCalls) -> None:
        with self._changed:
            self._waiting.append(calls)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="tmgg-waiting-calls")
                self._thread.start()

    def drop(self, calls: WaitingCalls) -> None:
        with self._changed:
            self._waiting = [each for each in self._waiting if each is not calls]
            self._changed.notify_all()

    def _keep(self) -> None:
        threading.main_thread().join()
        if not _is_wanted_to_the_end():
            return
        for calls in self._left():
            log.warning(
                "%s; this process goes on until they are submitted. Ctrl-C ends it.",
                _words(calls, "are not submitted yet"),
            )
        with self._changed:
            self._changed.wait_for(lambda: not self._left())

    def _warn(self) -> None:
        if os.getpid() != self._process:
            return  # a forked process; its parent submits the calls
        for calls in self._left():
            log.warning(
                "%s, because this process ends. tmgg-jobs retry %s submits them, and those that "
                "failed.",
                _words(calls, "were not submitted"),
                calls.sweep_id,
            )

    def _left(self) -> list[WaitingCalls]:
        with self._changed:
            return [calls for calls in self._waiting if calls.waiting_count]


@cache
def _keeper(process: int) -> _Keeper:
    """One for each process: a forked process does not have its parent's threads."""
    return _Keeper(process)


def _is_wanted_to_the_end() -> bool:
    """Whether the main program is a script that came to its end without an uncaught exception."""
    return not hasattr(sys, "ps1") and getattr(sys, "last_value", None) is None


def _words(calls: WaitingCalls, what: str) -> str:
    return f"{calls.waiting_count} of {calls.count} calls of sweep {calls.sweep_id} {what}"
