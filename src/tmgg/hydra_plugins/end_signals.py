"""SIGTERM and SIGHUP to a launcher: an interruption, as Ctrl-C is, with an exit code of its own."""

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
    """The process was asked to end by a signal that is not Ctrl-C's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code_after(end: KeyboardInterrupt) -> int:
    """What shells show for a process that the signal has ended."""
    return _SIGNALLED + end.number if isinstance(end, EndSignal) else exit_codes.INTERRUPTED


@contextlib.contextmanager
def end_signals_heard() -> Iterator[None]:
    """Inside, the first such signal raises EndSignal; the next ends the process at once.

    One that somebody else handles, or ignores as `nohup` does, is left alone; so are all of them
    outside the main thread, which alone gets them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != owner:  # a forked child ends as any other
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
    """A terminal that was closed refuses every word, and the refusal would be the end instead."""
    asking = select.poll()
    for descriptor in _OUTPUTS:
        asking.register(descriptor, 0)
    gone = [descriptor for descriptor, _event in asking.poll(0)]
    for descriptor in gone:
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), descriptor)
