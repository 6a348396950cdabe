"""Writes the files that a job leaves again while the file system fails, for a bounded time.

What is left unwritten in the end costs only itself: whoever writes says what that means.
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
"""A job that waits keeps its nodes, and the line in its log has its result already."""


class _Outage:
    """One grace for all that this process leaves while the file system fails."""

    has_outlasted_grace = False


def leave(write: Callable[[], _Result], folder: Path) -> _Result:
    """What `write` returns, tried again while files cannot be written in `folder`.

    Raises what it raised in the end. It must be fit to be called several times.
    """
    try:
        written = _tried(write, folder)
    except (OSError, TmggError) as error:
        _Outage.has_outlasted_grace = may_pass(error) and not can_write(folder)
        raise
    _Outage.has_outlasted_grace = False
    return written


def can_write(folder: Path) -> bool:
    """Whether waiting changes nothing: files can be written there, or the folder was removed."""
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
        # What fails again and again while the folder answers is no outage.
        answered += can_write(folder)
        return answered <= _TRIES

    return keep_trying(write, may_help=may_help, sleep=sleep_s)
