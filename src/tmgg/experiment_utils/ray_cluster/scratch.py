"""A node-local folder for Ray's sockets, logs and spilled objects; only its owner can look in.

The folder's lock is held as long as anybody of the job lives, so a folder nobody holds was left by
a node that lost power or a job that was killed whole, and is removed by the owner's next job.
"""

import contextlib
import fcntl
import os
import shutil
import stat
from pathlib import Path

from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.ray_cluster.scratch_name import PREFIX

_LOCK = ".lock"


class ScratchError(Exception):
    """The folder cannot be made; says why and what to do."""


class Scratch:
    """The job's own folder on this node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def make(self) -> None:
        """Make and lock the folder. Raises ScratchError."""
        try:
            remove_abandoned(self.path.parent)
            self.path.mkdir(mode=OWNER_ONLY_FOLDER)
            (self.path / "tmp").mkdir(mode=OWNER_ONLY_FOLDER)
            # Under its name only once it is held: another job may look for abandoned folders now.
            lock = self.path / f"{_LOCK}.new"
            self._lock = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.rename(self.path / _LOCK)
        except OSError as error:
            raise ScratchError(f"cannot make {self.path}: {error}") from error

    def remove(self) -> None:
        """Remove the folder; what cannot be removed now is left to the owner's next job."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_abandoned(parent: Path) -> None:
    """Remove this user's folders that no living process holds."""
    for entry in os.scandir(parent):
        if entry.name.startswith(PREFIX):
            with contextlib.suppress(OSError):
                _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(folder: Path) -> None:
    status = folder.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
