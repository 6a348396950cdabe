"""A time limit for a Python callable, also for experiments that are in native code for long."""

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
    """Raise ExperimentTimeout in the body after `timeout_s` seconds; None is no limit.

    Works in the main thread only, where Python runs signal handlers. A thread measures the time, so
    alarms that the body sets itself do not cancel the limit. If the body has not ended `grace_s`
    seconds after the limit (native code never sees the exception), that thread calls `on_deadline`.
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
            # Any other handler is set by the body, usually for a short time. Without a handler the
            # signal would end the process.
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
