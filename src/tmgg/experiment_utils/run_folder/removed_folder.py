"""Whether an output folder that had runs and is not found was removed, or is not mounted.

A user who removes the folder wants to start anew, and need not wait. But if the file system is not
mounted, the runs are only hidden, and must not be submitted again. In this case the folder above is
missing or empty, or is on another file system than the output folder was.

A process that has seen batches in the folder expects to see them again. After the folder was
removed, or removed and made anew, it has to forget them.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from tmgg.experiment_utils.files.looking import is_there, listing
from tmgg.experiment_utils.run_folder.batch_index import forget_batches, knows_batches
from tmgg.experiment_utils.run_folder.known_folders import mount_of, noted_mount
from tmgg.experiment_utils.run_folder.paths import BatchPaths

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0


def is_surely_removed(output_dir: Path, sleep: Callable[[float], None]) -> bool:
    """Whether two looks, `LOOK_AGAIN_S` apart, show that the missing `output_dir` was removed.

    If so, this process forgets the batches that it has seen there.
    """
    if not _twice(_seems_removed, output_dir, sleep):
        return False
    forget_batches(output_dir)
    log.warning(
        "%s had runs and was removed (%s is there, without it): it is made anew, and nothing of it "
        "is recognised",
        *(output_dir, output_dir.parent),
    )
    return True


def forget_if_removed(output_dir: Path, sleep: Callable[[float], None]) -> bool:
    """Forget the batches that this process has seen in a folder that was removed since then.

    The folder may have been made anew. Returns whether there was anything to forget.
    """
    if not knows_batches(output_dir):
        return False
    if is_surely_removed(output_dir, sleep):
        return True
    if not _twice(_seems_made_anew, output_dir, sleep):
        return False
    forget_batches(output_dir)
    log.warning(
        "%s had runs, was removed and made anew: nothing of the earlier folder is recognised",
        output_dir,
    )
    return True


def _twice(is_so: Callable[[Path], bool], output_dir: Path, sleep: Callable[[float], None]) -> bool:
    if not is_so(output_dir):
        return False
    sleep(LOOK_AGAIN_S)
    return is_so(output_dir)


def _seems_made_anew(output_dir: Path) -> bool:
    """Whether the folder is there without any batches, on the file system that it was on."""
    try:
        if not is_there(output_dir) or BatchPaths.FOLDER_NAME in listing(output_dir):
            return False
        return noted_mount(output_dir) == mount_of(output_dir)
    except OSError:
        return False


def _seems_removed(output_dir: Path) -> bool:
    try:
        os.lstat(output_dir)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    else:
        return False
    above = output_dir.parent
    try:
        names = listing(above)
        before = noted_mount(output_dir)
        return bool(names) and (before is None or before == mount_of(above))
    except OSError:
        return False
