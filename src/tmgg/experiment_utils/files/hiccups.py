"""Errors of a file system that does not answer; nothing is concluded from them.

Network file systems fail for seconds or minutes: a server restarts (ESTALE, EIO), a mount is not
there yet (ENOENT of a folder that was), rights are being changed (EACCES). Whoever reads records
asks here what an error says, and waits `HICCUP_GRACE_S` before it counts.
"""

import errno
import os
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar

from tmgg.experiment_utils.trying import keep_trying

# File servers that fail over, and clients that mount again, take a minute or two.
HICCUP_GRACE_S = 300.0
_MOST_CAUSES = 11
_Result = TypeVar("_Result")

# They say what is there, or that nothing is.
_ANSWERS = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
)
# They do not pass by themselves, or say that somebody else was first.
_LASTING = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EFBIG,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
    }
)


def says_nothing(error: OSError) -> bool:
    """Whether a look that failed leaves open what is there."""
    return error.errno is not None and error.errno not in _ANSWERS


def may_pass(error: BaseException | None) -> bool:
    """Whether what failed, at the bottom for want of the file system, may be tried again."""
    cause = file_system_error(error)
    return cause is not None and cause.errno not in _LASTING


def file_system_error(error: BaseException | None) -> OSError | None:
    """The first of the causes, itself included, in which the file system says what is wrong."""
    for _ in range(_MOST_CAUSES):
        if error is None or (isinstance(error, OSError) and error.errno is not None):
            return error
        error = error.__cause__
    return None


def is_there(path: Path | str) -> bool:
    """As `Path.exists`, which calls a file absent that it could not look for. Raises OSError."""
    try:
        os.stat(path)  # noqa: PTH116 - a thousand runs make a Path's price felt
    except OSError as error:
        if says_nothing(error):
            raise
        return False
    return True


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


def outlast(
    action: Callable[[], _Result],
    *,
    is_over: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> _Result:
    """What the action returns; again, if it failed while the file system did not answer.

    `is_over` says whether it answers now. Raises what the action raised otherwise, and in the end.
    """
    waited_s = 0.0

    def wait(pause_s: float) -> None:
        nonlocal waited_s
        while True:
            sleep(pause_s)
            waited_s += pause_s
            if waited_s >= HICCUP_GRACE_S or is_over():
                return

    def may_help(error: Exception, _pauses_s: float) -> bool:
        fine = is_over()
        # A hiccup may be over by now; what fails again at once is none.
        return waited_s < HICCUP_GRACE_S and (not fine or (waited_s == 0 and may_pass(error)))

    return keep_trying(action, may_help=may_help, sleep=wait)


class Hiccups:
    """Since when something fails in this process because the file system does not answer."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        grace_s: float = HICCUP_GRACE_S,
    ) -> None:
        self._monotonic = monotonic
        self._grace_s = grace_s
        self._since: dict[Hashable, float] = {}

    def bearable(self, what: Hashable, error: BaseException) -> bool:
        """Whether it is to be tried again: the error may pass, and has not lasted for the grace."""
        if not may_pass(error):
            return False
        since = self._since.setdefault(what, self._monotonic())
        return self._monotonic() - since < self._grace_s

    def over(self, what: Hashable) -> None:
        """It worked."""
        self._since.pop(what, None)
