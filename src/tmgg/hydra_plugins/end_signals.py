"""Handles SIGTERM and SIGHUP to a launcher like Ctrl-C, but with another exit code."""

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from tmgg.console import exit_codes

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128
_OUTPUTS = (1, 2)


class EndSignal(KeyboardInterrupt):
    """SIGTERM or SIGHUP asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code_after(end: KeyboardInterrupt) -> int:
    """The exit code that shells show for a process that the signal ended."""
    return _SIGNALLED + end.number if isinstance(end, EndSignal) else exit_codes.INTERRUPTED


@contextlib.contextmanager
def end_signals_heard() -> Iterator[None]:
    """Inside, the first such signal raises EndSignal; the next ends the process at once.

    A signal that other code handles, or that is ignored (by `nohup`), is left alone. Outside the
    main thread nothing is changed: Python handles signals in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != owner:  # a forked child ends like any other process
            os.kill(os.getpid(), number)
            return
        _let_go_of_what_hung_up()
        raise EndSignal(number)

    taken = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number in taken:
            if signal.getsignal(number) is on_signal:
                signal.signal(number, signal.SIG_DFL)


def _let_go_of_what_hung_up() -> None:
    """Redirect closed outputs to /dev/null: a failed write would end the process instead."""
    asking = select.poll()
    for descriptor in _OUTPUTS:
        asking.register(descriptor, 0)
    gone = [descriptor for descriptor, _event in asking.poll(0)]
    for descriptor in gone:
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), descriptor)
