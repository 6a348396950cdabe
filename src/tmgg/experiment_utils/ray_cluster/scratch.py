"""A node-local folder for Ray's sockets, logs and spilled objects; only its owner can read it.

The job holds the folder's lock as long as it lives on the node. If the lock of a folder is free,
the node lost power, or all processes of the job were killed. The next job of the same user removes
such a folder.
"""

import contextlib
import fcntl
import os
import shutil
import stat
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import OWNER_ONLY
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.ray_cluster.scratch_name import is_name_of_start

# A name that no other program uses, because a folder with a free lock of this name is removed.
_LOCK = ".tmgg-scratch-lock"
_EARLIER_LOCK = ".lock"


class ScratchError(Exception):
    """The folder cannot be made; the message says why."""


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
            # The lock gets its name only when it is held: another job may look for abandoned
            # folders at this moment.
            lock = self.path / f"{_LOCK}.new"
            self._lock = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, OWNER_ONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.rename(self.path / _LOCK)
        except OSError as error:
            raise ScratchError(f"cannot make {self.path}: {error}") from error

    def remove(self) -> None:
        """Remove the folder. Files that cannot be removed now are left to the user's next job."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_abandoned(parent: Path) -> None:
    """Remove this user's folders that `Scratch` made and whose lock no process holds."""
    for entry in os.scandir(parent):
        if is_name_of_start(entry.name):
            with contextlib.suppress(OSError):
                _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(folder: Path) -> None:
    if not _is_own(folder.lstat(), stat.S_IFDIR, OWNER_ONLY_FOLDER):
        return
    for name in (_LOCK, _EARLIER_LOCK):
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder / name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if name == _LOCK or _is_of_earlier_release(folder, os.fstat(lock)):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _is_of_earlier_release(folder: Path, lock: os.stat_result) -> bool:
    """Whether an earlier TMGG made the folder, with a lock named `.lock`.

    Virtual environments and caches may have a free `.lock`, too (uv's is open to all users), so
    size, permissions and the folder `tmp` are checked.
    """
    is_ours = lock.st_size == 0 and _is_own(lock, stat.S_IFREG, OWNER_ONLY)
    return is_ours and _is_own((folder / "tmp").lstat(), stat.S_IFDIR, OWNER_ONLY_FOLDER)


def _is_own(status: os.stat_result, kind: int, mode: int) -> bool:
    """Whether it belongs to this user, is of this kind, and has exactly the permissions `mode`."""
    is_kind = stat.S_IFMT(status.st_mode) == kind
    return is_kind and status.st_uid == os.getuid() and status.st_mode & 0o777 == mode
