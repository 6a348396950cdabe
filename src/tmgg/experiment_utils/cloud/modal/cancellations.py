"""When a container hears that its call was cancelled.

Modal's SDK cancels by a signal to its own process, whose handler raises in the main thread, between
any two steps. Just after a fork the caller has no handle of the new process yet, and that process
would go on. So a cancellation is held back until a wait whose caller ends what it has started.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

# As in `modal._container_entrypoint`; a child gets the default handler, as always.
CANCELS = signal.SIGUSR1
_Answer = TypeVar("_Answer")


class _Held:
    """What is known within `held_back`; only the main thread has it."""

    def __init__(self) -> None:
        self.handler: Any = None
        """The SDK's; None where nothing is held back."""
        self.has_come = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self.has_come = True


_held = _Held()


@contextmanager
def held_back() -> Iterator[None]:
    """A cancellation that comes within waits for `hearing`, or for the end."""
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
    """What `wait` returns; raises the cancellation that was held back, or that comes meanwhile."""
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
