"""The folders in which this user has runs: a list in the user's home.

With it commands find runs from any directory, and TMGG knows that a missing folder had runs.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import write_atomic
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.files.write_cures import cure_for

log = logging.getLogger(__name__)

_LOCK_PATIENCE_S = 2.0
_LOOK_AGAIN_S = 0.05
_MOUNT = b"mount "
"""Begins a line with a folder and the place where its file system was mounted."""
_warned: set[Path] = set()


def home_folder() -> Path:
    """Where this user's list of folders is."""
    return Path(os.environ.get("TMGG_HOME") or "~/.tmgg").expanduser()


def known_folders() -> list[Path]:
    """Folders that hold or held runs of this user, newest first."""
    return _folders_in(_list())


def remember_folder(folder: Path) -> None:
    """Add a folder to the list. If this fails, only a warning is logged, once."""
    known = _list()
    if folder in _folders_in(known):
        return
    try:
        known.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        with _alone(known):
            _add(known, folder)
    except OSError as error:
        _warn_once(known, folder, error)


def noted_mount(folder: Path) -> Path | None:
    """Where the folder's file system was mounted when the folder was noted; None if not known."""
    try:
        lines = _list().read_bytes().split(b"\n")
    except OSError:
        return None
    for line in reversed(lines):
        name, tab, mount = line.removeprefix(_MOUNT).partition(b"\t")
        if line.startswith(_MOUNT) and tab and name == os.fsencode(folder):
            return Path(os.fsdecode(mount))
    return None


def mount_of(folder: Path) -> Path:
    """Where the folder's file system is mounted. Raises OSError."""
    place = folder.resolve()
    while not os.path.ismount(place):
        place = place.parent
    return place


def _add(known: Path, folder: Path) -> None:
    """Write the whole list anew: a line appended to a full disk may be cut."""
    try:
        before = known.read_bytes()
    except FileNotFoundError:
        before = b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    name = os.fsencode(folder)
    mount = _MOUNT + name + b"\t" + os.fsencode(mount_of(folder)) + b"\n"
    write_atomic(known, before + mount + name + b"\n")


@contextlib.contextmanager
def _alone(known: Path) -> Iterator[None]:
    """Let one process at a time change the list.

    The others wait for at most `_LOCK_PATIENCE_S`, and go on without the lock then. If the file
    system has no locks, nobody waits.
    """
    lock = os.open(known.with_name(f".{known.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + _LOCK_PATIENCE_S
        while not _is_locked(lock) and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)
        yield
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # this file system has no locks; go on without
    return True


def _warn_once(known: Path, folder: Path, error: OSError) -> None:
    if known in _warned:
        return
    _warned.add(known)
    cure = cure_for(error, known.parent)
    log.warning(
        "the list of folders with runs %s cannot be written (%s), so tmgg-jobs finds the runs in "
        "%s only from there, or with `--folder %s`. %sOr set TMGG_HOME to another folder.",
        *(known, error.strerror, folder, folder, f"{cure}. " if cure else ""),
    )


def had_runs(output_dir: Path) -> bool:
    """Whether runs were ever recorded there; True also if the list cannot be read now."""
    try:
        known = _list().read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return os.fsencode(output_dir) in known.split(b"\n")


def _list() -> Path:
    return home_folder() / "folders"


def _folders_in(known: Path) -> list[Path]:
    try:
        lines = known.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(line) for line in reversed(lines) if line.startswith("/")]
