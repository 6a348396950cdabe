"""Tries again while a folder's file system does not answer, for `HICCUP_GRACE_S` at most."""

import errno
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.files.hiccups import (
    HICCUP_GRACE_S,
    Hiccups,
    file_system_error,
    keep_trying,
)
from tmgg.experiment_utils.files.looking import says_nothing
from tmgg.experiment_utils.run_folder.known_folders import had_runs
from tmgg.experiment_utils.run_folder.removed_folder import forget_if_removed

log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def wait_out(action: Callable[[], _Result], output_dir: Path, clock: Clock) -> _Result:
    """Call the action until it does not fail for want of the file system; returns its result.

    Does not wait for a folder that never had runs, or that was certainly removed. Raises the error
    of the action if it is another error, or if it lasts longer than `HICCUP_GRACE_S`.
    """
    hiccups = Hiccups(clock.monotonic)
    is_told = False

    def may_help(error: Exception, _waited_s: float) -> bool:
        nonlocal is_told
        if not (_is_hiccup(error) and had_runs(output_dir) and hiccups.bearable("", error)):
            return False
        if forget_if_removed(output_dir, clock.sleep):
            return True
        if not is_told:
            is_told = True
            log.warning(
                "%s does not answer; waiting up to %s s for it: %s",
                output_dir,
                round(HICCUP_GRACE_S),
                error,
            )
        return True

    return keep_trying(action, may_help=may_help, sleep=clock.sleep)


def _is_hiccup(error: BaseException) -> bool:
    """Whether the file system may be away. A file in place of a folder does not count as that."""
    cause = file_system_error(error)
    return cause is not None and (cause.errno == errno.ENOENT or says_nothing(cause))
