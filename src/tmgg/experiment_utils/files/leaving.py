"""Writes the files that a job leaves; while the file system fails, tries again for a bounded time.

If a file cannot be written in the end, the error is raised, and the caller decides what it means.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tmgg.errors import TmggError
from tmgg.experiment_utils.files.hiccups import keep_trying, may_pass
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.job.clock import sleep_s

_Result = TypeVar("_Result")
_TRIES = 5
GRACE_S = 15.0
"""Not longer, because a waiting job keeps its nodes, and its log has the result line already."""


class _Outage:
    """Lets this process wait `GRACE_S` only once in an outage, not once for each file."""

    has_outlasted_grace = False


def leave(write: Callable[[], _Result], folder: Path) -> _Result:
    """Call `write`, again while files cannot be written in `folder`; return what it returns.

    Raises its last error. `write` must be safe to call several times.
    """
    try:
        written = _tried(write, folder)
    except (OSError, TmggError) as error:
        _Outage.has_outlasted_grace = may_pass(error) and not can_write(folder)
        raise
    _Outage.has_outlasted_grace = False
    return written


def can_write(folder: Path) -> bool:
    """Whether the file system lets files be written in the folder.

    If the folder was removed, the one above it counts: waiting does not bring the folder back.
    """
    try:
        if is_there(folder):
            return os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False
    return folder != folder.parent and can_write(folder.parent)


def _tried(write: Callable[[], _Result], folder: Path) -> _Result:
    answered = 0

    def may_help(error: Exception, waited_s: float) -> bool:
        nonlocal answered
        if _Outage.has_outlasted_grace or not may_pass(error) or waited_s >= GRACE_S:
            return False
        # An error that comes again and again while the folder can be written is no outage.
        answered += can_write(folder)
        return answered <= _TRIES

    return keep_trying(write, may_help=may_help, sleep=sleep_s)
