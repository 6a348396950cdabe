"""Which runs were removed for good, in contrast to runs that the file system does not show now.

A process that removes a run notes the run's id first; each user has a file of such notes beside the
exit records. A run that is noted and not on record was removed. A run that is not found and not
noted may come back (see `hiccups`).
"""

import contextlib
import os
from collections.abc import Iterator

from tmgg.errors import ForeignFileError, RemovedRunError
from tmgg.experiment_utils.files.looking import is_there, listing
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.lost_folders import (
    has_lost_folder,
    left_of_lost_run,
    words_of_lost_run,
)
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.sharing import mode_for_team

# Only processes that look at a run while it is removed need the notes, so old notes may go.
LARGEST_NOTES_BYTES = 1 << 20
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def note_removal(paths: RunPaths) -> None:
    """Call this before any file of the run is removed. Raises OSError."""
    file = paths.removal_notes(os.geteuid())
    descriptor = os.open(file, _FLAGS, mode_for_team())
    try:
        if os.fstat(descriptor).st_size > LARGEST_NOTES_BYTES:
            os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{paths.run_id}\n".encode())
    finally:
        os.close(descriptor)


def is_removed(paths: RunPaths) -> bool:
    """Whether the run was removed; False if the file system does not answer."""
    try:
        if is_there(paths.run):
            return False
        if find_member(paths.submission(1)) is not None:
            return has_lost_folder(paths)
        return any(paths.run_id in names for names in _noted(paths))
    except OSError:
        return False


def removed_error(paths: RunPaths) -> RemovedRunError:
    """The error for a run that was removed."""
    with contextlib.suppress(OSError):
        if left := left_of_lost_run(paths):
            return RemovedRunError(words_of_lost_run(paths, left), run_id=paths.run_id)
    return RemovedRunError(
        f"run {paths.run_id} was removed in the meantime, for example by tmgg-jobs gc: it is not "
        f"on record in {paths.output_dir} any more",
        run_id=paths.run_id,
    )


def refuse_removed(paths: RunPaths) -> None:
    """Raise RemovedRunError if the run was removed."""
    if is_removed(paths):
        raise removed_error(paths)


def _noted(paths: RunPaths) -> Iterator[list[str]]:
    for name in listing(paths.ended_folder):
        if name.startswith(RunPaths.REMOVAL_NOTES):
            with contextlib.suppress(ForeignFileError, FileNotFoundError):
                yield read_trusted(paths.ended_folder / name).decode(errors="replace").split()
