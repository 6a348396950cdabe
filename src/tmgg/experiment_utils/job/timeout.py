"""A time limit on a Python callable, for experiments that may be deep in native code."""

import contextlib
import faulthandler
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from tmgg.experiment_utils.job.clock import monotonic_s

GRACE_S = 30.0
"""How long the callable may take to unwind before the process is ended."""
_AGAIN_S = 0.1


class ExperimentTimeout(BaseException):
    """Raised in the experiment when `timeout_seconds` is over.

    Not an Exception, so that an experiment's own `except Exception` does not swallow it.
    """


@contextlib.contextmanager
def time_limit(
    timeout_s: float | None, *, on_deadline: Callable[[], None], grace_s: float = GRACE_S
) -> Iterator[None]:
    """Raise ExperimentTimeout in the body after `timeout_s`; call `on_deadline` if it lingers.

    Works in the main thread only (POSIX delivers the alarm there). A thread holds the limit, so
    that a body which sets alarms of its own does not lift it. `on_deadline` runs in that thread
    `grace_s` after the limit, for bodies that sit in native code and never see the exception.
    """
    if timeout_s is None:
        yield
        return

    is_over = threading.Event()

    def raise_timeout(_signal: int, _frame: FrameType | None) -> None:
        is_over.set()
        raise ExperimentTimeout(f"timeout_seconds={timeout_s:g} is over")

    def hold() -> None:
        if is_over.wait(timeout_s):
            return
        began = monotonic_s()
        while not is_over.wait(_AGAIN_S) and monotonic_s() - began < grace_s:
            # Another handler is the body's, for a short time as a rule; none would end the process.
            if signal.getsignal(signal.SIGALRM) is raise_timeout:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        if not has_left.wait(max(0.0, grace_s - (monotonic_s() - began))):
            faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
            on_deadline()

    has_left = threading.Event()
    previous = signal.signal(signal.SIGALRM, raise_timeout)
    threading.Thread(target=hold, name="tmgg-time-limit", daemon=True).start()
    try:
        yield
    finally:
        has_left.set()
        is_over.set()
        signal.signal(signal.SIGALRM, previous)
