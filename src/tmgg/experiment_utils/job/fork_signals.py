"""A signal handler of this process that forked children do not inherit.

If a signal reaches a forked child before Python has set up the child, a handler written in Python
is never called, and the signal is lost; with the default action it would end the child. So a pool
that ends a worker that has just begun would wait for ever.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_replacements: dict[signal.Signals, Any] = {}
"""The handlers of children, in place of this process's handlers."""
_of_thread = threading.local()
"""Its `mask`: the signals that were blocked before the current fork."""


@contextlib.contextmanager
def replaced_in_children(
    number: signal.Signals, handler: Callable[..., Any] | int | None
) -> Iterator[None]:
    """Processes that are forked within the `with` block get this handler."""
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
        with contextlib.suppress(ValueError, TypeError):  # no main thread; no handler of Python
            signal.signal(number, handler)
    _replacements.clear()
    _let_through()
