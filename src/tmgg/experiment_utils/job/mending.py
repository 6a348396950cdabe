"""Restores what a task has closed or removed of its own process and TMGG still needs.

A program that is alone in its process may close its output at its end; here its value is yet to be
sent. Only what cannot be used is replaced: a log file in the place of `sys.stdout` stays.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from types import ModuleType
from typing import TextIO

_MAIN = "__main__"
_STREAMS = {"stdout": 1, "stderr": 2}


@contextlib.contextmanager
def mending_process() -> Iterator[None]:
    """Once the body has ended, streams, descriptors 1 and 2 and `__main__` can be used."""
    main = sys.modules.get(_MAIN)
    streams = {name: getattr(sys, name) for name in _STREAMS}
    try:
        yield
    finally:
        if main is not None and not isinstance(sys.modules.get(_MAIN), ModuleType):
            sys.modules[_MAIN] = main
        _open_descriptors()
        for name, before in streams.items():
            _mend_stream(name, before)


def is_usable(stream: object) -> bool:
    """Whether text can be written to it; None swallows all, as Python's own functions know."""
    if stream is None:
        return True
    try:
        stream.write("")  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]
    except OSError:
        return True  # a full disk; who writes to files expects that
    except Exception:  # closed, or anything at all in its place
        return False
    return True


def _mend_stream(name: str, before: TextIO | None) -> None:
    if is_usable(getattr(sys, name)):
        return
    usable = is_usable(before)
    setattr(sys, name, before if usable else _stream_over(_STREAMS[name]))


def _stream_over(descriptor: int) -> TextIO:
    # Unbuffered, and a stream that leaves the descriptor open at its own end.
    raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115
    return TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _open_descriptors() -> None:
    """Closed ones would be given to the next file that is opened, and prints go into it."""
    if all(_is_open(descriptor) for descriptor in _STREAMS.values()):
        return
    for descriptor, other in ((1, 2), (2, 1)):
        if not _is_open(descriptor):
            with contextlib.suppress(OSError):  # no descriptor is left
                _take(descriptor, other)


def _take(descriptor: int, other: int) -> None:
    if _is_open(other):
        os.dup2(other, descriptor)
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError as error:
        return error.errno != errno.EBADF
    return True
