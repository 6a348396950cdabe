"""A small event loop: files, signals and timers, one callback at a time.

It is used in place of asyncio because each supervisor would have to import that, which is slow.
"""

import contextlib
import heapq
import itertools
import os
import selectors
import signal
import time
from collections.abc import Callable
from types import FrameType

Callback = Callable[[], None]


class Timer:
    """A callback that is to be called later, unless `cancel` is called before."""

    def __init__(self, callback: Callback) -> None:
        self._callback: Callback | None = callback

    def cancel(self) -> None:
        self._callback = None

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Loop:
    """Runs until `end` is called. Main thread only, because of the signals."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._signals: dict[int, Callback] = {}
        self._result: int | None = None
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self.watch(self._woken, self._on_wake)

    def watch(self, descriptor: int, callback: Callback) -> None:
        """Call back whenever `descriptor` can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def unwatch(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(descriptor)

    def on_signal(self, number: signal.Signals, callback: Callback) -> None:
        """Call back soon after the signal, outside the handler."""
        self._signals[number] = callback
        signal.signal(number, _note)

    def after(self, delay_s: float, callback: Callback) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._order), timer))
        return timer

    def end(self, result: int) -> None:
        """Let `run` return; the first result counts."""
        if self._result is None:
            self._result = result

    def run(self) -> int:
        while self._result is None:
            for key, _events in self._selector.select(self._wait_s()):
                if self._result is None:
                    key.data()
            self._fire_timers()
        return self._result

    def _wait_s(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _fire_timers(self) -> None:
        while self._result is None and self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2].fire()

    def _on_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in os.read(self._woken, 512):
                if number in self._signals and self._result is None:
                    self._signals[number]()


def _note(_number: int, _frame: FrameType | None) -> None:
    """Does nothing: the wakeup pipe carries the signal's number, but a handler must exist."""
