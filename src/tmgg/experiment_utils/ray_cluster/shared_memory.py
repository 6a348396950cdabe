"""Named shared memory that processes killed by force could not remove themselves."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

_FOLDER = "/dev/shm/"
# Only what libraries make and mean to remove: multiprocessing, torch, Ray, NCCL, CUDA. People keep
# files of their own there, too.
_MADE_BY_LIBRARIES = re.compile(r"(psm_|torch_|sem\.mp-|plasma|nccl-|cuda\.shm\.)")


def segments_of(pids: Iterable[int]) -> set[Path]:
    """Library-made segments these processes have open or mapped."""
    found: set[str] = set()
    for pid in pids:
        # A process may end, or be another user's, while it is looked at.
        with contextlib.suppress(OSError):
            found |= parse_segments(Path(f"/proc/{pid}/maps").read_text(errors="replace"))
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found |= parse_segments(str(Path(entry.path).readlink()))
    return {Path(name) for name in found}


def parse_segments(text: str) -> set[str]:
    """Paths at the ends of lines, as in /proc/PID/maps, that a library made; not deleted ones."""
    names = set()
    for line in text.splitlines():
        at = line.find(_FOLDER)
        if at >= 0 and _MADE_BY_LIBRARIES.match(line[at + len(_FOLDER) :]):
            names.add(line[at:])
    return {name for name in names if not name.endswith(" (deleted)")}


def remove_segments(paths: Iterable[Path], *, since: float) -> None:
    """Remove this user's segments that are no older than `since`; an older one is somebody's."""
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.lstat()
            if status.st_uid == os.getuid() and status.st_ctime >= since:
                path.unlink()
