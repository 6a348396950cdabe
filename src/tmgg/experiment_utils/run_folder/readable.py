"""What is on record in a folder, or an error if that cannot be read.

Code that submits a run because none is on record must ask here. A folder that never existed counts
as empty; for a folder whose file system does not answer UnreadableError is raised.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tmgg.errors import ConfigError, TmggError, UnreadableError
from tmgg.experiment_utils.files.looking import is_there, listing
from tmgg.experiment_utils.run_folder.batch_index import expect_batched_runs
from tmgg.experiment_utils.run_folder.known_folders import known_folders
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import is_recorded
from tmgg.experiment_utils.run_folder.run_folders import look_into, owner_who_closed


def recorded_runs(output_dir: Path, *, prefix: str = "") -> list[RunPaths]:
    """This user's runs; raises OSError if there may be others that cannot be seen now."""
    if is_missing(output_dir):
        raise missing_error(output_dir)
    look = look_into(output_dir, prefix=prefix)
    if look.closed_by is not None:
        raise PermissionError(errno.EACCES, f"closed by {look.closed_by}", str(output_dir))
    if look.problem is not None:
        raise look.problem
    hidden = {paths for paths in look.unread if not is_recorded(paths)}
    return [paths for paths in look.runs if paths not in hidden]


def taken_names(output_dir: Path) -> set[str]:
    """The names that a new run cannot have: those of existing runs and of all other files there.

    Raises UnreadableError when the file system does not answer.
    """
    with reading(output_dir):
        names = set(listing(output_dir))  # one listing: a sweep may ask about a thousand names
        return names | set(expect_batched_runs(output_dir))


def is_closed_to_us(error: OSError, path: Path) -> bool:
    """Whether the error is permanent: the file belongs to another user, who has not shared it."""
    return owner_who_closed(path, error) is not None


@contextmanager
def reading(output_dir: Path) -> Iterator[None]:
    """Turn an OSError about a folder into an UnreadableError that explains it."""
    try:
        yield
    except TmggError:
        raise  # some of them are OSErrors, too; their text says more
    except OSError as error:
        _refuse_closed(output_dir, error)
        raise UnreadableError(
            f"the runs in {output_dir} cannot be read now ({error}), so TMGG does not know which "
            "runs exist. Nothing was submitted. Try again when the folder answers (`ls -l` shows "
            "it)."
        ) from error


def _refuse_closed(output_dir: Path, error: OSError) -> None:
    """Raise ConfigError if another user keeps the folder closed.

    The error has no cause: `hiccups.may_pass` looks at causes, and this error does not pass.
    """
    place = Path(error.filename) if isinstance(error.filename, str) else output_dir
    owner = owner_who_closed(place, error)
    if owner is not None:
        raise ConfigError(
            f"{place} belongs to {owner} and is closed to you, so TMGG does not know which runs "
            f"are in {output_dir}. Nothing was submitted. Use another output_dir, or ask {owner} "
            f"to make {output_dir} a team's folder (docs/security.md)."
        ) from None


def is_missing(output_dir: Path) -> bool:
    """Whether the folder had runs and is not there now."""
    return output_dir in known_folders() and not is_there(output_dir)


def missing_error(output_dir: Path) -> UnreadableError:
    """The error for a folder that had runs, is not there now, and may come back."""
    error = UnreadableError(
        f"{output_dir} had runs and is not found now: its file system may not be mounted. "
        "Nothing was submitted. Try again when the folder is back. If it was removed, make "
        "it again (mkdir -p)."
    )
    error.__cause__ = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(output_dir))
    return error
