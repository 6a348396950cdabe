"""A signal handler of this process that forked children do not inherit.

A signal that reaches a child before Python has made it a process of its own is forgotten where a
handler written in Python is in place; without one it would end the child. A pool that ends a worker
that has only just begun would then wait for ever.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_replacements: dict[signal.Signals, Any] = {}
"""What children have in place of this process's handler."""
_of_thread = threading.local()
"""Its `mask`: the signals that were blocked before the fork that is going on."""


@contextlib.contextmanager
def replaced_in_children(
    number: signal.Signals, handler: Callable[..., Any] | int | None
) -> Iterator[None]:
    """Processes that are forked inside have this handler."""
    _register()
    _replacements[number] = handler
    try:
        yield
    finally:
        _replacements.pop(number, None)


_is_registered = False


def _register() -> None:
    global _is_registered
    if not _is_registered:
        _is_registered = True
        os.register_at_fork(
            before=_hold_back, after_in_parent=_let_through, after_in_child=_become_a_child
        )


def _hold_back() -> None:
    _of_thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _replacements)


def _let_through() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _of_thread.mask)


def _become_a_child() -> None:
    for number, handler in _replacements.items():
        with contextlib.suppress(ValueError, TypeError):  # not Python's main thread; not Python's
            signal.signal(number, handler)
    _replacements.clear()
    _let_through()
