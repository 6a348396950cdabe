"""The name of a run's next submission, which is a lock: only one process can make it.

A process that submits the run again renames a folder to that name. A process that removes the run,
or takes its first submission back, makes a file of that name, exclusively. Exactly one of them
wins, on NFS, too.
"""

import os
from pathlib import Path

from tmgg.experiment_utils.files.looking import is_plain_file
from tmgg.experiment_utils.run_folder.paths import RunPaths


def bar_next_submission(paths: RunPaths) -> Path | None:
    """Make a file with the name of the next submission; None if another process was first.

    Raises OSError when the folder cannot be written.
    """
    mark = paths.folder / str(max(paths.submission_numbers(), default=1) + 1)
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # A file is from a removal that was interrupted or is under way; each step is safe twice.
        return mark if is_plain_file(mark) else None
    except FileNotFoundError:
        return None  # another process removed the run
    return mark
