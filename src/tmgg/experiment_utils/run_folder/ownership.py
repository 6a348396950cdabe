"""Which job may run a submission: the one that first links a file with its id to the name `owner`.

link(2) fails if the name exists, on NFS too, so exactly one job wins (the job script does the same
with `ln`). If a submission is given up, its owner is NOBODY. A job that comes later ends unused.
"""

import contextlib
import os
import secrets

from tmgg.errors import ForeignFileError
from tmgg.experiment_utils.files.looking import says_nothing
from tmgg.experiment_utils.files.trust import note_foreign, read_trusted
from tmgg.experiment_utils.run_folder.paths import JobFolder
from tmgg.experiment_utils.run_folder.sound_records import read_sound, text_in

NOBODY = "nobody"


def read_owner(paths: JobFolder) -> str | None:
    """The job that claimed the submission; None if no job has, or if no job may any more.

    Raises OSError when the file system does not answer.
    """
    owner = owner_on_record(paths)
    return owner if owner and owner != NOBODY else None


def read_job_id(paths: JobFolder) -> str | None:
    """The job that claimed it, else the one noted when it was submitted. Raises OSError."""
    return read_owner(paths) or text_in(read_sound(paths.job) or {}, "job_id")


def is_forbidden(paths: JobFolder) -> bool:
    """Whether the submission was given up, so no job can claim it."""
    return owner_on_record(paths) == NOBODY


def claim(paths: JobFolder, job_id: str) -> str:
    """Claim the submission for `job_id`, unless it has an owner already; return its owner.

    Raises OSError when the folder cannot be written.
    """
    _link_owner(paths, job_id)
    return owner_on_record(paths)


def forbid(paths: JobFolder) -> str | None:
    """Let no job claim this submission any more; return the job that claimed it before, if any.

    Raises OSError when the folder cannot be written: then a job may still claim it.
    """
    claim(paths, NOBODY)
    return read_owner(paths)


def give_up(paths: JobFolder) -> str | None:
    """As `forbid`, but returns NOBODY if the submission was given up before, so by another process.

    Only the process that gets None may conclude anything about the submission.
    """
    return None if _link_owner(paths, NOBODY) else owner_on_record(paths)


def _link_owner(paths: JobFolder, owner: str) -> bool:
    """Whether `owner` is the submission's owner by this call. Raises OSError."""
    mine = paths.folder / f".owner.{secrets.token_hex(4)}"
    mine.write_text(f"{owner}\n")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(mine, paths.owner)
        # An NFS client that repeats a request may report that the name exists although it made it.
        return mine.stat().st_nlink > 1
    finally:
        mine.unlink()


def owner_on_record(paths: JobFolder) -> str:
    """The id of a job, or NOBODY; empty if it has no owner yet. Raises OSError."""
    try:
        return read_trusted(paths.owner).decode(errors="replace").strip()
    except ForeignFileError as error:
        note_foreign(error)
        return ""
    except OSError as error:
        if says_nothing(error):
            raise
        return ""
