"""One training at a time in an output folder: two would return each other's checkpoints."""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tmgg.errors import ConfigError

LOCK_NAME = ".training.lock"
_HELD = (errno.EAGAIN, errno.EACCES)


@contextlib.contextmanager
def one_training_in(output_dir: Path) -> Iterator[None]:
    """Lock the folder until this training ends. If its process dies, the lock ends, too.

    Raises ConfigError if another training holds the lock. If the file system has no locks, nothing
    is locked.
    """
    is_new = not output_dir.exists()
    output_dir.mkdir(parents=True, exist_ok=True)
    try:
        with _held(output_dir):
            yield
    finally:
        if is_new and [path.name for path in output_dir.iterdir()] == [LOCK_NAME]:
            (output_dir / LOCK_NAME).unlink()  # it was refused before it wrote anything
            output_dir.rmdir()


@contextlib.contextmanager
def _held(output_dir: Path) -> Iterator[None]:
    with (output_dir / LOCK_NAME).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                raise ConfigError(_render_refusal(output_dir)) from error
        else:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
        yield


def _render_refusal(output_dir: Path) -> str:
    holder = (output_dir / LOCK_NAME).read_text(errors="replace")
    return (
        f"another training is writing to {output_dir}" + (f" ({holder})" if holder else "") + "; "
        "give this one a folder of its own (output_dir=...), or wait until the other has ended"
    )
