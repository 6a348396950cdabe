"""A node-local folder for Ray's sockets, logs and spilled objects; only its owner can look in.

The folder's lock is held as long as anybody of the job lives, so a folder nobody holds was left by
a node that lost power or a job that was killed whole, and is removed by the owner's next job.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from tmgg.experiment_utils.trust import OWNER_ONLY_FOLDER

_PREFIX = "tmgg-"
_LOCK = ".lock"
# sun_path holds 107 bytes and a null; Ray appends
# /ray/session_2026-01-31_12-00-00_123456_4194304/sockets/plasma_store.1
_LONGEST_SOCKET = 107
_RAY_SUFFIX = len("/ray/session_2026-01-31_12-00-00_123456_4194304/sockets/plasma_store.1")


class ScratchError(Exception):
    """The folder cannot be made; says why and what to do."""


class Scratch:
    """The job's own folder on this node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def make(self) -> None:
        """Make and lock the folder. Raises ScratchError."""
        if len(str(self.path)) + _RAY_SUFFIX > _LONGEST_SOCKET:
            raise ScratchError(
                f"{self.path} is too long for Ray's sockets "
                f"(at most {_LONGEST_SOCKET - _RAY_SUFFIX} letters); choose another "
                "slurm_node_scratch"
            )
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


def scratch_of_start(parent: Path, environment: Mapping[str, str], *, secret: bytes) -> Path:
    """The folder of this start of the job: the same path on every node, as Ray wants it.

    Nobody without the job's secret can guess it, so nobody can make it first.
    """
    job_id = environment["SLURM_JOB_ID"]
    start = f"{job_id}.{environment.get('SLURM_RESTART_COUNT', '0')}"
    digest = hashlib.blake2b(start.encode(), key=secret[:64], digest_size=5).hexdigest()
    return parent / f"{_PREFIX}{job_id}-{digest}"


def remove_abandoned(parent: Path) -> None:
    """Remove this user's folders that no living process holds."""
    for entry in os.scandir(parent):
        if entry.name.startswith(_PREFIX):
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
