"""A time limit on a Python callable, for experiments that may be deep in native code."""

import contextlib
import faulthandler
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

GRACE_S = 30.0
"""How long the callable may take to unwind before the process is ended."""


class ExperimentTimeout(BaseException):
    """Raised in the experiment when `timeout_seconds` is over.

    Not an Exception, so that an experiment's own `except Exception` does not swallow it.
    """


@contextlib.contextmanager
def time_limit(
    timeout_s: float | None, *, on_deadline: Callable[[], None], grace_s: float = GRACE_S
) -> Iterator[None]:
    """Raise ExperimentTimeout in the body after `timeout_s`; call `on_deadline` if it lingers.

    Works in the main thread only (POSIX delivers the alarm there). `on_deadline` runs in a thread
    `grace_s` after the limit, for bodies that sit in native code and never see the exception.
    """
    if timeout_s is None:
        yield
        return

    def raise_timeout(_signal: int, _frame: FrameType | None) -> None:
        raise ExperimentTimeout(f"timeout_seconds={timeout_s:g} is over")

    def end() -> None:
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        on_deadline()

    deadline = threading.Timer(timeout_s + grace_s, end)
    deadline.daemon = True
    previous = signal.signal(signal.SIGALRM, raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    deadline.start()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        deadline.cancel()
