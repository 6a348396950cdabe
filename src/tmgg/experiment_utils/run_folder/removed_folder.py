"""Whether an output folder that had runs and is not found was removed, or is not mounted.

A user who removes the folder wants to start anew, and need not wait. But if the file system is not
mounted, the runs are only hidden, and must not be submitted again. In this case the folder above is
missing or empty, or is on another file system than the output folder was.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from tmgg.experiment_utils.files.looking import listing
from tmgg.experiment_utils.run_folder.known_folders import mount_of, noted_mount

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0


def is_surely_removed(output_dir: Path, sleep: Callable[[float], None]) -> bool:
    """Whether two looks, `LOOK_AGAIN_S` apart, show that the missing `output_dir` was removed."""
    if not _seems_removed(output_dir):
        return False
    sleep(LOOK_AGAIN_S)
    if not _seems_removed(output_dir):
        return False
    log.warning(
        "%s had runs and was removed (%s is there, without it): it is made anew, and nothing of it "
        "is recognised",
        *(output_dir, output_dir.parent),
    )
    return True


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
