"""Writes files whole: a reader never finds a part of one, not even after a crash."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_durably(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file beside the target, sync it and rename it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
