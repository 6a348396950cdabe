"""Waits for a future in asyncio event loops, so that a cancelled wait does not cancel the future.

asyncio cancels what it waits for: at the time limit of `wait_for`, at Ctrl-C, or if another task of
a group failed. `asyncio.wrap_future` would cancel the future as well, and so end its job.
"""

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import Any


class Awaiting:
    """The waits for one future, in any number of event loops."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future
        self._lock = threading.Lock()
        self._waits: set[asyncio.Future[None]] = set()
        self._listens = False

    async def until_done(self) -> None:
        """Return once the future is done: with a value, with an error, or cancelled."""
        wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(wait)
        try:
            # Checked after `_add`: if the future ended in between, nothing would wake this wait.
            if not self._future.done():
                await wait
        finally:
            with self._lock:
                self._waits.discard(wait)

    def _add(self, wait: asyncio.Future[None]) -> None:
        with self._lock:
            self._waits.add(wait)
            is_first, self._listens = not self._listens, True
        if is_first:  # one callback for all waits, because a future keeps each of its callbacks
            self._future.add_done_callback(self._wake)

    def _wake(self, _future: Future[Any]) -> None:
        with self._lock:
            waits = list(self._waits)
        for wait in waits:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                wait.get_loop().call_soon_threadsafe(_end, wait)


def _end(wait: asyncio.Future[None]) -> None:
    if not wait.done():
        wait.set_result(None)
