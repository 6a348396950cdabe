"""Handles standard output and standard error that cannot be written: they are closed, or on a full
disk, or a pipe without a reader.

Messages on standard error may be lost; that never ends a command or a launch. If an answer on
standard output is lost, that is an error of a command, but not of a launch: its runs and their
results matter more than its table.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tmgg.errors import AnswerLostError

if TYPE_CHECKING:
    from rich.console import Console

READER_GONE_CODE = 1
"""The exit code if the reader of a pipe has ended (`| head`); nothing is printed. As in Typer."""


class _Lossy(io.FileIO):
    """A file whose writes always succeed; what cannot be written is lost."""

    def write(self, data: Any, /) -> int:
        with contextlib.suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes


@contextlib.contextmanager
def words_may_be_lost() -> Iterator[None]:
    """Inside, a write to standard error never fails, and neither stream is None."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), _lossy(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def all_may_be_lost() -> Iterator[None]:
    """Inside, a write to standard output or standard error never fails, and neither is None."""
    with words_may_be_lost():
        before = sys.stdout
        with contextlib.suppress(OSError):
            before.flush()  # keep the order: earlier output comes first
        sys.stdout = _lossy(sys.stdout)
        try:
            yield
        finally:
            sys.stdout = before


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Raises AnswerLostError if the code inside cannot write to standard output."""
    try:
        yield
    except OSError as error:
        _turn_to_nowhere(sys.stdout)
        raise AnswerLostError(
            f"standard output cannot be written: {error.strerror}",
            is_reader_gone=error.errno == errno.EPIPE,
        ) from error


def finish_answers() -> None:
    """Flush standard output. Raises as `answering`."""
    with answering():
        sys.stdout.flush()


def answer_console() -> "Console":
    """A rich console on standard output. If the reader is gone, `answering` gets the OSError."""
    from rich.console import Console  # a tenth of a second; only what prints pays it

    class OfAnswers(Console):
        def on_broken_pipe(self) -> None:
            raise

    return OfAnswers()


def console_of_words() -> "Console":
    """A rich console on standard error. If the reader is gone, it is silent and ends nothing."""
    from rich.console import Console  # a tenth of a second; only what prints pays it

    class OfWords(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    return OfWords(stderr=True)


def _lossy(stream: TextIO | None) -> TextIO:
    """A stream to the same file whose writes never fail; other streams are returned unchanged."""
    if stream is None:  # the shell closed it (2>&-)
        return _nowhere()
    try:
        descriptor = stream.fileno()
        if descriptor not in (1, 2):
            return stream  # a notebook's, or a program's own
        raw = _Lossy(descriptor, "w", closefd=False)
    except (OSError, ValueError):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w")


def _turn_to_nowhere(stream: TextIO) -> None:
    """Redirect the stream to /dev/null.

    Otherwise Python would write the rest again at its exit, fail, and change the exit code.
    """
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
