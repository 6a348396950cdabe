"""Restores parts of the process that a task has closed or removed and that TMGG still needs.

A program may close its output at its end; but here its result is still to be written. Only
streams that cannot be used are replaced: a log file in the place of `sys.stdout` stays.
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
    """After the `with` block, make stdout, stderr, descriptors 1 and 2, and `__main__` usable."""
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
    """Whether text can be written to it; True for None, which `print` accepts as no output."""
    if stream is None:
        return True
    try:
        stream.write("")  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]
    except OSError:
        return True  # a full disk, for example; writers expect such errors
    except Exception:  # it is closed, or is any other object
        return False
    return True


def _mend_stream(name: str, before: TextIO | None) -> None:
    if is_usable(getattr(sys, name)):
        return
    usable = is_usable(before)
    setattr(sys, name, before if usable else _stream_over(_STREAMS[name]))


def _stream_over(descriptor: int) -> TextIO:
    # Unbuffered; when the stream is closed, the descriptor stays open.
    raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115
    return TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _open_descriptors() -> None:
    """Open descriptors 1 and 2 if closed: otherwise the next file opened would get all prints."""
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
