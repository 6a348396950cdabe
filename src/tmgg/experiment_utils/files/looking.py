"""Looks for files; a file that could not be looked for does not count as missing.

`Path.exists`, `is_file`, `is_dir`, `glob` and `os.access` answer no when the file system does not
answer (which errors they pass on differs between Python versions). Whoever acts on what is not
there looks here instead: no means no, and a look that failed is an OSError. What such an error
means for a look of one's own, `says_nothing` says. A test keeps the quiet ones out of the code that
reads records.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

# They say what is there, or that nothing is.
_ANSWERS = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
)


def says_nothing(error: OSError) -> bool:
    """Whether a look that failed leaves open what is there."""
    return error.errno is not None and error.errno not in _ANSWERS


def is_there(path: Path | str) -> bool:
    """As `Path.exists`, which calls a file absent that it could not look for. Raises OSError."""
    return mode_of(path) is not None


def mode_of(path: Path | str) -> int | None:
    """Kind and permissions of what the path leads to; None when nothing is there."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - a thousand runs make a Path's price felt
    except OSError as error:
        if says_nothing(error):
            raise
        return None


def is_folder(path: Path | str) -> bool:
    """As `Path.is_dir`. Raises OSError when nobody could look."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISDIR(mode)


def is_plain_file(path: Path | str) -> bool:
    """As `Path.is_file`. Raises OSError when nobody could look."""
    mode = mode_of(path)
    return mode is not None and stat.S_ISREG(mode)


def can_look(file: Path) -> bool:
    """Whether a file that was written is seen now."""
    try:
        return is_there(file) and os.access(file, os.R_OK)
    except OSError:
        return False


def expect_folder(folder: Path) -> None:
    """Raises OSError when a folder that was there cannot be looked into now."""
    if not is_there(folder):
        raise FileNotFoundError(
            errno.ENOENT, "The folder was there and is not found now", str(folder)
        )
    if not os.access(folder, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def look_anew(*folders: Path) -> None:
    """Let a network file system ask its server again for the names in these folders.

    A client that looked for a name which was not there may believe so for a minute more (nfs(5),
    acdirmax), while the file is there. Opening the folder makes it ask (close-to-open consistency);
    whoever is about to conclude something from what is not there does so first.
    """
    for folder in folders:
        with contextlib.suppress(OSError):  # who reads there next gets the error
            os.scandir(folder).close()


def listing(folder: Path | str) -> list[str]:
    """The names in a folder; none when there is no such folder. Raises OSError otherwise."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names only
    except OSError as error:
        if says_nothing(error):
            raise
        return []


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, but for links and special files; none when there is no such folder.

    Raises OSError when a part of it cannot be looked at: `Path.rglob` passes that over.
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
    """None where it was removed under this process, or its file system does not answer."""
    try:
        return Path.cwd()
    except OSError:
        return None
