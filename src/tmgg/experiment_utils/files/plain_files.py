"""Reads files that others may have written, above all logs: plain files only, up to a limit.

A named pipe in place of a log would block the reader, and `/dev/zero` would fill its memory.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 1 << 20


def open_plain(path: Path) -> BinaryIO:
    """As `path.open("rb")`, but raises OSError (EINVAL) if it is not a plain file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def read_beginning(path: Path, *, most_bytes: int = MOST_BYTES) -> str:
    """The first `most_bytes` as text. Raises OSError."""
    with open_plain(path) as stream:
        return stream.read(most_bytes).decode(errors="replace")


def end_of(stream: BinaryIO, *, most_bytes: int) -> bytes:
    """The last `most_bytes` of a file that may grow. Raises OSError."""
    stream.seek(0, os.SEEK_END)
    stream.seek(max(0, stream.tell() - most_bytes))
    return stream.read(most_bytes)
