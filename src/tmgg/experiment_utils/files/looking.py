"""Looks for files; if the file system does not answer, a file does not count as missing.

`Path.exists`, `is_file`, `is_dir`, `glob` and `os.access` return False or nothing if the file
system does not answer (which errors they raise differs between Python versions). Code that acts on
a missing file uses the functions here: they return False only if the file is missing, and raise
OSError otherwise. Code that opens files itself asks `says_nothing` what an OSError means. A test
keeps the functions of `Path` and `os` out of the code that reads records.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

# With these errors the file system did answer: nothing is there, or not a file of this kind.
_ANSWERS = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
)


def says_nothing(error: OSError) -> bool:
    """Whether the file system did not answer, so it is not known whether the file is there."""
    return error.errno is not None and error.errno not in _ANSWERS


def is_there(path: Path | str) -> bool:
    """As `Path.exists`, but raises OSError when the file system does not answer."""
    return mode_of(path) is not None


def mode_of(path: Path | str) -> int | None:
    """Kind and permissions (`st_mode`) of the file, links followed; None if there is none."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - a thousand runs make a Path's price felt
    except OSError as error:
        if says_nothing(error):
            raise
        return None


def is_folder(path: Path | str) -> bool:
    """As `Path.is_dir`, but raises OSError when the file system does not answer."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISDIR(mode)


def is_plain_file(path: Path | str) -> bool:
    """As `Path.is_file`, but raises OSError when the file system does not answer."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISREG(mode)


def can_look(file: Path) -> bool:
    """Whether the file is there and can be read now."""
    try:
        return is_there(file) and os.access(file, os.R_OK)
    except OSError:
        return False


def expect_folder(folder: Path) -> None:
    """Raise OSError if this folder, which existed before, is not there or cannot be entered now."""
    if not is_there(folder):
        raise FileNotFoundError(
            errno.ENOENT, "The folder was there and is not found now", str(folder)
        )
    if not os.access(folder, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def look_anew(*folders: Path) -> None:
    """Let a network file system ask its server again for the names in these folders.

    If a client found a name missing, it may report it as missing for a minute more (nfs(5),
    acdirmax), although the file is there now. Opening the folder makes the client ask the server
    (close-to-open consistency). Call this before you conclude something from a missing file.
    """
    for folder in folders:
        with contextlib.suppress(OSError):  # the next read there raises the error
            os.scandir(folder).close()


def look_anew_on_the_way(folder: Path) -> None:
    """As `look_anew`, for this folder and for all folders above it, from the top.

    A process calls it when it begins on a node, before it reads the folder of its job. Another node
    may have made the folder after this node had found it missing, for example in a launcher here.
    """
    look_anew(*reversed(folder.parents), folder)


def appears(path: Path) -> bool:
    """Whether a file that another node may make is there now.

    It is for code that looks again and again. If the file system does not answer, it returns False.
    """
    look_anew(path.parent)
    return os.path.exists(path)  # noqa: PTH110 - errors mean no


def listing(folder: Path | str) -> list[str]:
    """The names in a folder; empty if there is no such folder.

    Raises OSError when the file system does not answer.
    """
    try:
        return os.listdir(folder)  # noqa: PTH208 - names only
    except OSError as error:
        if says_nothing(error):
            raise
        return []


def files_below(folder: Path) -> list[Path]:
    """All plain files below a folder, without links; empty if there is no such folder.

    Unlike `Path.rglob` it raises OSError if a part of the folder cannot be read.
    """
    found = []
    for place, _folders, names in os.walk(folder, onerror=_unless_absent):
        paths = (Path(place, name) for name in names)
        found += [path for path in paths if is_plain_file(path) and not path.is_symlink()]
    return sorted(found)


def _unless_absent(error: OSError) -> None:
    if says_nothing(error):
        raise error


def working_directory() -> Path | None:
    """None if it was removed while this process runs, or if its file system does not answer."""
    try:
        return Path.cwd()
    except OSError:
        return None
