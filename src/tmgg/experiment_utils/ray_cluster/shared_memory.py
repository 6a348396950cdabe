"""Removes named shared memory of processes that were killed and could not remove it themselves."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

_FOLDER = "/dev/shm/"
# Only segments that libraries make and normally remove: multiprocessing, torch, Ray, NCCL, CUDA.
# Users may keep files there, too.
_MADE_BY_LIBRARIES = re.compile(r"(psm_|torch_|sem\.mp-|plasma|nccl-|cuda\.shm\.)")


def segments_of(pids: Iterable[int]) -> set[Path]:
    """Segments made by libraries that these processes have open or mapped."""
    found: set[str] = set()
    for pid in pids:
        # The process may end meanwhile, or may be another user's.
        with contextlib.suppress(OSError):
            found |= parse_segments(Path(f"/proc/{pid}/maps").read_text(errors="replace"))
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found |= parse_segments(str(Path(entry.path).readlink()))
    return {Path(name) for name in found}


def parse_segments(text: str) -> set[str]:
    """Segments made by libraries, from lines that end with a path, as in /proc/PID/maps.

    Deleted segments are left out.
    """
    names = set()
    for line in text.splitlines():
        at = line.find(_FOLDER)
        if at >= 0 and _MADE_BY_LIBRARIES.match(line[at + len(_FOLDER) :]):
            names.add(line[at:])
    return {name for name in names if not name.endswith(" (deleted)")}


def remove_segments(paths: Iterable[Path], *, since: float) -> None:
    """Remove this user's segments that are not older than `since`; older ones are of other jobs."""
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.lstat()
            if status.st_uid == os.getuid() and status.st_ctime >= since:
                path.unlink()
