"""Which files are trusted: those that belong to the caller, or to the team that the caller chose.

A record names commands that a retry runs, and a pickle is code. So a file counts only if it and its
folder belong to users whom the caller trusts, and no other user can write them. Trusted are the
caller, the users and groups in the environment variable TMGG_TEAM, and root, who can do everything
anyway. A pickle must be the caller's own. The same rules hold if the caller is root: without
TMGG_TEAM it acts only on records of root.

The functions here read a record and check its owner in one step.
"""

import errno
import functools
import json
import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tmgg.errors import ConfigError, ForeignFileError, RecordError
from tmgg.experiment_utils.files.accounts import (
    find_group,
    find_user,
    group_name,
    is_private,
    members,
    user_name,
)
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.job.clock import monotonic_s

log = logging.getLogger(__name__)

TEAM_VARIABLE = "TMGG_TEAM"
# So that a poll of 20,000 runs checks each folder once.
_FOLDERS_GOOD_FOR_S = 10.0
OWNER_ONLY_FOLDER = 0o700
_CHUNK_BYTES = 1 << 20
LARGEST_OF_OTHERS_BYTES = 64 << 20
"""The largest file of another user that is read: a sparse file may have terabytes at no cost."""
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Circle:
    """The users who are trusted, and the groups whose members are all trusted."""

    users: frozenset[int]
    groups: frozenset[int]


def read_trusted(path: Path, *, own: bool = False) -> bytes:
    """The content of a file that belongs to the circle; with `own` only to the caller.

    Raises ForeignFileError if it does not, or OSError as `Path.read_bytes`.
    """
    descriptor, size = _open(path, own=own, is_whole=True)
    try:
        # Not through a stream, which is slow if thousands of records are listed.
        parts = [os.read(descriptor, size + 1)]
        while parts[-1]:
            parts.append(os.read(descriptor, _CHUNK_BYTES))
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> JsonDict | None:
    """The JSON object in the file; None if there is no file.

    Raises RecordError if it is damaged, ForeignFileError if it is not trusted.
    """
    try:
        data = read_trusted(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return parse_json(data, what=str(path))


def parse_json(text: str | bytes, *, what: str) -> JsonDict:
    """The JSON object in `text`; raises RecordError, which names `what`, for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{what} holds a {type(value).__name__}, not an object")
    return value


def open_trusted(path: Path, *, own: bool = False) -> BinaryIO:
    """As `read_trusted`, but returns a stream, and allows any size."""
    return os.fdopen(_open(path, own=own)[0], "rb")


def _open(path: Path, *, own: bool, is_whole: bool = False) -> tuple[int, int]:
    """A descriptor and the file's size. The open file is checked, so no other file is read."""
    name = os.fspath(path)
    try:
        descriptor = os.open(name, _FLAGS)
    except OSError as error:
        problem = _why_not_opened(path, error)
        if problem is None:
            raise
        raise ForeignFileError(f"{path} is not read: {problem}. {_CURE}.") from error
    try:
        status = os.fstat(descriptor)
        folder = os.path.dirname(name)  # noqa: PTH120
        problem = _problem(status, folder or ".", _own() if own else circle())
        if is_whole:  # a log may be longer; it is not read at once
            problem = problem or _why_too_large(status)
    except BaseException:
        os.close(descriptor)
        raise
    if problem is None:
        return descriptor, status.st_size
    os.close(descriptor)
    raise ForeignFileError(f"{path} is not read: {problem}. {_CURE}.")


def _why_too_large(status: os.stat_result) -> str | None:
    is_others = status.st_uid not in (os.geteuid(), 0)
    if not is_others or status.st_size <= LARGEST_OF_OTHERS_BYTES:
        return None
    return (
        f"it belongs to {user_name(status.st_uid)} and has {status.st_size} bytes, more than "
        f"{LARGEST_OF_OTHERS_BYTES}"
    )


def note_foreign(error: ForeignFileError) -> None:
    """Warn, once for each error, that a file is not trusted and counts as missing."""
    if str(error) not in _noted:
        _noted.add(str(error))
        log.warning("%s", error)


def owner_of(path: Path) -> str | None:
    """The other user to whom the file belongs; None if it is the caller's, or cannot be seen."""
    try:
        owner = path.lstat().st_uid
    except OSError:
        return None
    return None if owner == os.geteuid() else user_name(owner)


def may_write(folder: Path) -> bool:
    """Whether the folder's permissions let the caller make files in it."""
    return os.access(folder, os.W_OK | os.X_OK)


def _own() -> Circle:
    return Circle(frozenset({os.geteuid()}), frozenset())


def circle() -> Circle:
    """The caller, root and the team in TMGG_TEAM; raises ConfigError for an unknown name there."""
    return _circle(os.geteuid(), os.environ.get(TEAM_VARIABLE, ""))


@functools.cache
def _circle(caller: int, team: str) -> Circle:
    users, groups = {caller, 0}, set[int]()
    for name in team.replace(",", " ").split():
        uid, group = find_user(name), find_group(name.removeprefix("%"))
        if uid is not None and not name.startswith("%"):
            users.add(uid)
        elif group is not None:
            groups.add(group)
            users |= members(group)
        else:
            raise ConfigError(
                f"{TEAM_VARIABLE} names {name!r}, which is neither a user nor a group here"
            )
    return Circle(frozenset(users), frozenset(groups))


_CURE = (
    f"Only files of your own are trusted, and those of the users and groups in {TEAM_VARIABLE}; "
    "nobody else may be able to write them"
)


def _why_not_opened(path: Path, error: OSError) -> str | None:
    """Why the file is not trusted, if that is the reason of the error; None for other errors."""
    if error.errno not in (errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO):
        return None
    try:
        status = path.lstat()
    except OSError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    is_foreign = status.st_uid not in circle().users
    return f"it belongs to {user_name(status.st_uid)}" if is_foreign else None


def _problem(status: os.stat_result, folder: str, trusted: Circle) -> str | None:
    """Why an open file in this folder is not trusted; None if it is trusted."""
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    if status.st_uid not in trusted.users:
        return f"it belongs to {user_name(status.st_uid)}"
    around = _look_at(folder, trusted)
    return around.problem or (None if around.is_closed else _writers(status, trusted))


def _writers(status: os.stat_result, trusted: Circle) -> str | None:
    """Which users outside of `trusted` can write it, in words; None if there are none."""
    if status.st_mode & stat.S_IWOTH:
        return "everybody can write there"
    if status.st_mode & stat.S_IWGRP and not _is_inside(status.st_gid, trusted):
        return f"the group {group_name(status.st_gid)} can write there"
    return None


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found about a folder at the time `at` (monotonic clock)."""

    at: float
    problem: str | None
    is_closed: bool
    """Only its owner can enter it, so the permissions of the files in it do not matter."""


_noted: set[str] = set()
_looks: dict[tuple[str, Circle], _Look] = {}


def _look_at(folder: str, trusted: Circle) -> _Look:
    now = monotonic_s()
    known = _looks.get((folder, trusted))
    if known is not None and now - known.at < _FOLDERS_GOOD_FOR_S:
        return known
    status = os.stat(folder)  # noqa: PTH116 - a Path's price is felt for thousands
    problem = problem_of_folder(folder, status, trusted)
    look = _Look(now, problem, not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    _looks[folder, trusted] = look
    return look


def problem_of_folder(folder: str, status: os.stat_result, trusted: Circle) -> str | None:
    """Why no file in this folder is trusted, whoever owns it; None if files may be trusted."""
    if status.st_uid not in (trusted.users | _administrators()):
        return f"the folder {folder} belongs to {user_name(status.st_uid)}"
    # In a sticky folder others can make files, but cannot rename or remove files of other users.
    writers = None if status.st_mode & stat.S_ISVTX else _writers(status, trusted)
    return writers and f"{writers} ({folder})"


@functools.cache
def _administrators() -> frozenset[int]:
    """Root; in a user namespace also the number for all users who have none in the namespace."""
    try:
        mapped = Path("/proc/self/uid_map").read_text().split()
        unknown = int(Path("/proc/sys/kernel/overflowuid").read_text())
    except (OSError, ValueError):
        return frozenset({0})
    return frozenset({0}) if mapped == ["0", "0", "4294967295"] else frozenset({0, unknown})


def _is_inside(group: int, trusted: Circle) -> bool:
    return group == 0 or group in trusted.groups or is_private(group, os.geteuid())
