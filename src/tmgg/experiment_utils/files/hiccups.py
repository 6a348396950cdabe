"""Errors of a file system that does not answer; nothing is concluded from them.

Network file systems fail for seconds or minutes: a server restarts (ESTALE, EIO), a mount is not
there yet (ENOENT of a folder that was), rights are being changed (EACCES). Whoever needs files asks
here whether an error may pass, and tries again for `HICCUP_GRACE_S` before it counts.
"""

import errno
import time
from collections.abc import Callable, Hashable
from typing import TypeVar

from tmgg.errors import SubmissionUnknownError, TmggError

# File servers that fail over, and clients that mount again, take a minute or two.
HICCUP_GRACE_S = 300.0
LOOK_AGAIN_S = 1.0
_MOST_CAUSES = 11
_Result = TypeVar("_Result")

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


def keep_trying(
    action: Callable[[], _Result],
    *,
    may_help: Callable[[Exception, float], bool],
    sleep: Callable[[float], None],
) -> _Result:
    """What the action returns; again after each pause, for as long as `may_help` says so.

    `may_help` is given the error and the seconds of all pauses so far. Raises what the action
    raised otherwise. It must be fit to be called several times: what was perhaps done
    (SubmissionUnknownError) is not done again.
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
