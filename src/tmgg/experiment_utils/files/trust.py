"""Whose files: what is read and acted on belongs to the caller, or to the team that was chosen.

A record names commands that a retry runs, and a pickle is code. So a file counts only when it and
its folder belong to whom the caller trusts, and nobody else can write them. Trusted are the caller,
the users and groups in the environment variable TMGG_TEAM, and root, who can do everything anyway.
Pickles are only ever the caller's own. A caller who is root is no exception: it acts on records of
root only.

A record is read here in one go: whose it is, and the JSON in it.
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
# A poll of 20,000 runs looks at their folders once.
_FOLDERS_GOOD_FOR_S = 10.0
OWNER_ONLY_FOLDER = 0o700
_CHUNK_BYTES = 1 << 20
LARGEST_OF_OTHERS_BYTES = 64 << 20
"""A file of a team's member may have so much; a sparse one of terabytes costs its owner nothing."""
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Circle:
    """The users who are trusted, and the groups whose members all are."""

    users: frozenset[int]
    groups: frozenset[int]


def read_trusted(path: Path, *, own: bool = False) -> bytes:
    """The content of a file that belongs to the circle; with `own`, to the caller alone.

    Raises ForeignFileError, or OSError as `Path.read_bytes`.
    """
    descriptor, size = _open(path, own=own, is_whole=True)
    try:
        # Not through a stream: listing thousands of records feels its price.
        parts = [os.read(descriptor, size + 1)]
        while parts[-1]:
            parts.append(os.read(descriptor, _CHUNK_BYTES))
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> JsonDict | None:
    """The object in the file, None when there is no file; a damaged one is a RecordError.

    One that belongs to somebody else is a ForeignFileError.
    """
    try:
        data = read_trusted(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return parse_json(data, what=str(path))


def parse_json(text: str | bytes, *, what: str) -> JsonDict:
    """The JSON object in `text`; anything else is a RecordError that names `what`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{what} holds a {type(value).__name__}, not an object")
    return value


def open_trusted(path: Path, *, own: bool = False) -> BinaryIO:
    """As `read_trusted`; a stream."""
    return os.fdopen(_open(path, own=own)[0], "rb")


def _open(path: Path, *, own: bool, is_whole: bool = False) -> tuple[int, int]:
    """A descriptor and the file's size. What was checked is what is read: the open file itself."""
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
    """Say once that a file counts as not there, and whose it is."""
    if str(error) not in _noted:
        _noted.add(str(error))
        log.warning("%s", error)


def owner_of(path: Path) -> str | None:
    """The other user whom the file belongs to; None when it is the caller's, or not there."""
    try:
        owner = path.lstat().st_uid
    except OSError:
        return None
    return None if owner == os.geteuid() else user_name(owner)


def may_write(folder: Path) -> bool:
    """Whether the caller may make files in the folder, as far as its permissions say."""
    return os.access(folder, os.W_OK | os.X_OK)


def _own() -> Circle:
    return Circle(frozenset({os.geteuid()}), frozenset())


def circle() -> Circle:
    """The caller, and the team that the environment names; raises ConfigError for no such name."""
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
    """The reason if it lies in whose file it is; None for any other."""
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
    """Why an open file in this folder is not trusted; None when it is."""
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    if status.st_uid not in trusted.users:
        return f"it belongs to {user_name(status.st_uid)}"
    around = _look_at(folder, trusted)
    return around.problem or (None if around.is_closed else _writers(status, trusted))


def _writers(status: os.stat_result, trusted: Circle) -> str | None:
    """Who else can write it, in words; None when nobody can."""
    if status.st_mode & stat.S_IWOTH:
        return "everybody can write there"
    if status.st_mode & stat.S_IWGRP and not _is_inside(status.st_gid, trusted):
        return f"the group {group_name(status.st_gid)} can write there"
    return None


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known about a folder since `at`."""

    at: float
    problem: str | None
    is_closed: bool
    """Only its owner gets in: whoever could write a file in it cannot reach it."""


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
    """Why files in a folder are not trusted, whosever they are; None when they may be."""
    if status.st_uid not in (trusted.users | _administrators()):
        return f"the folder {folder} belongs to {user_name(status.st_uid)}"
    # In a sticky folder others can make files, but not rename or remove those of somebody else.
    writers = None if status.st_mode & stat.S_ISVTX else _writers(status, trusted)
    return writers and f"{writers} ({folder})"


@functools.cache
def _administrators() -> frozenset[int]:
    """Root; inside a user namespace also the number that stands for all whom it does not know."""
    try:
        mapped = Path("/proc/self/uid_map").read_text().split()
        unknown = int(Path("/proc/sys/kernel/overflowuid").read_text())
    except (OSError, ValueError):
        return frozenset({0})
    return frozenset({0}) if mapped == ["0", "0", "4294967295"] else frozenset({0, unknown})


def _is_inside(group: int, trusted: Circle) -> bool:
    return group == 0 or group in trusted.groups or is_private(group, os.geteuid())
