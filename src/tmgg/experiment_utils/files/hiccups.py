"""Errors of a file system that does not answer; nothing is concluded from them.

Network file systems fail for seconds or minutes: a server restarts (ESTALE, EIO), a file system is
not mounted yet (ENOENT for a folder that existed), permissions are being changed (EACCES). Code
that needs files asks here whether an error may pass, and tries again for `HICCUP_GRACE_S` before it
takes the error as final.
"""

import errno
import time
from collections.abc import Callable, Hashable
from typing import TypeVar

from tmgg.errors import SubmissionUnknownError, TmggError

# A file server that fails over, or a client that mounts again, takes a minute or two.
HICCUP_GRACE_S = 300.0
LOOK_AGAIN_S = 1.0
_MOST_CAUSES = 11
_Result = TypeVar("_Result")

# These errors do not pass by themselves, or mean that another process was first.
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


def may_pass(error: BaseException | None) -> bool:
    """Whether the error comes from the file system, and trying again may help."""
    cause = file_system_error(error)
    return cause is not None and cause.errno not in _LASTING


def file_system_error(error: BaseException | None) -> OSError | None:
    """The first OSError with an errno among the error and its causes; None if there is none."""
    for _ in range(_MOST_CAUSES):
        if error is None or (isinstance(error, OSError) and error.errno is not None):
            return error
        error = error.__cause__
    return None


def keep_trying(
    action: Callable[[], _Result],
    *,
    may_help: Callable[[Exception, float], bool],
    sleep: Callable[[float], None],
) -> _Result:
    """Call the action, again after a pause while it fails and `may_help` allows it; its result.

    `may_help` gets the error and the seconds of all pauses so far. If it returns False, the error
    is raised. The action must be safe to call several times. It is not called again after
    SubmissionUnknownError, which means that it may have succeeded.
    """
    waited_s = 0.0
    while True:
        try:
            return action()
        except SubmissionUnknownError:
            raise
        except (OSError, TmggError) as error:
            if not may_help(error, waited_s):
                raise
        sleep(LOOK_AGAIN_S)
        waited_s += LOOK_AGAIN_S


def outlast(
    action: Callable[[], _Result],
    *,
    is_over: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> _Result:
    """Call the action, again if it failed because the file system did not answer; its result.

    `is_over` returns whether the file system answers now. Any other error, and the last error when
    `HICCUP_GRACE_S` are over, is raised.
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
        # If the file system answers now, the hiccup may just be over: try once more, at most.
        return waited_s < HICCUP_GRACE_S and (not fine or (waited_s == 0 and may_pass(error)))

    return keep_trying(action, may_help=may_help, sleep=wait)


class Hiccups:
    """Since when each kind of action fails because the file system does not answer."""

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
        """Whether to try again: the error may pass, and began less than `grace_s` seconds ago."""
        if not may_pass(error):
            return False
        since = self._since.setdefault(what, self._monotonic())
        return self._monotonic() - since < self._grace_s

    def over(self, what: Hashable) -> None:
        """Note that the action succeeded."""
        self._since.pop(what, None)
