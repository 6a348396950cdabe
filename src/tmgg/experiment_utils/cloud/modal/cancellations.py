"""Delays the cancellation of a call until the container can end what it has started.

To cancel a call, Modal's SDK sends a signal to its own process. The signal's handler raises in the
main thread, between any two steps. Just after a fork the caller has no handle of the new process
yet, so that process would not be ended. So the signal is held back until the caller waits in
`hearing`, where it can end its processes.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

# The signal that `modal._container_entrypoint` uses. A child process has the default handler.
CANCELS = signal.SIGUSR1
_Answer = TypeVar("_Answer")


class _Held:
    """The state within `held_back`; only the main thread uses it."""

    def __init__(self) -> None:
        self.handler: Any = None
        """The SDK's handler; None if nothing is held back."""
        self.has_come = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self.has_come = True


_held = _Held()


@contextmanager
def held_back() -> Iterator[None]:
    """Within the block, a cancellation is raised only in `hearing`, or at the block's end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # the SDK raises in no other thread
        return
    _held.has_come = False
    _held.handler = signal.signal(CANCELS, _held.note)
    try:
        yield
    finally:
        handler, _held.handler = _held.handler, None
        signal.signal(CANCELS, handler)
        if _held.has_come:
            signal.raise_signal(CANCELS)


def hearing(wait: Callable[[], _Answer]) -> _Answer:
    """What `wait` returns. Raises a cancellation that was held back, or that comes during it."""
    if _held.handler is None:
        return wait()
    try:
        signal.signal(CANCELS, _held.handler)
        if _held.has_come:
            _held.has_come = False
            signal.raise_signal(CANCELS)
        return wait()
    finally:
        signal.signal(CANCELS, _held.note)
