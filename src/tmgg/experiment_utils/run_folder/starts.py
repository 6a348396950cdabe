"""Which start of its job a process belongs to, and whether a later start has begun.

A node that lost contact with the scheduler, or with Ray, may continue a run that was started again
on another node. Both starts write into one folder. Files of the earlier start (its exit record, its
marks, a request to stop) would be taken for files of the later one, so the earlier start writes no
more. The job script has the same check in bash.
"""

import os

from tmgg.errors import ForeignFileError
from tmgg.experiment_utils.files.trust import note_foreign, read_trusted
from tmgg.experiment_utils.job.job_environment import RESTART_VARIABLE
from tmgg.experiment_utils.run_folder.paths import JobFiles


def own_restart() -> int:
    """Which start of its job this process belongs to, counted from 0."""
    return int(os.environ.get(RESTART_VARIABLE, "0"))


def last_start(paths: JobFiles) -> int | None:
    """The number of the last start that began; None if none did. Raises OSError."""
    try:
        return int(paths.restart.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def last_start_on_record(paths: JobFiles) -> int:
    """As `last_start`, for a verdict on the run; 0 if none began, or if strangers can write it."""
    try:
        return int(read_trusted(paths.restart))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0
    except ForeignFileError as error:
        note_foreign(error)
        return 0


def is_superseded(paths: JobFiles, restart: int) -> bool:
    """Whether a later start than `restart` has begun; False if the file system does not answer.

    A file that is written in this case has the start's number in it, so readers can ignore it.
    """
    try:
        last = last_start(paths)
    except OSError:
        return False
    return last is not None and last > restart
