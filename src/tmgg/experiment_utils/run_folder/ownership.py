"""Who may run a submission: whoever is first to link its name to the file `owner`.

link(2) fails when the name exists, on NFS too, so exactly one wins: a job (the job script does the
same with `ln`), or NOBODY when a submission is given up. A job that comes too late ends unused.
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
    """The job that runs the submission; None when none has begun, or none may.

    Raises OSError when the file system does not say.
    """
    owner = owner_on_record(paths)
    return owner if owner and owner != NOBODY else None


def read_job_id(paths: JobFolder) -> str | None:
    """The job that owns it, else the one noted when it was submitted. Raises OSError."""
    return read_owner(paths) or text_in(read_sound(paths.job) or {}, "job_id")


def is_forbidden(paths: JobFolder) -> bool:
    """Whether no job can ever begin this submission."""
    return owner_on_record(paths) == NOBODY


def claim(paths: JobFolder, job_id: str) -> str:
    """Begin the submission as `job_id`, unless somebody else owns it; the owner.

    Raises OSError when the folder cannot be written.
    """
    mine = paths.folder / f".owner.{secrets.token_hex(4)}"
    mine.write_text(f"{job_id}\n")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(mine, paths.owner)
    finally:
        mine.unlink()
    return owner_on_record(paths)


def forbid(paths: JobFolder) -> str | None:
    """Let no job begin this submission any more; the job that had begun it before, if one had.

    Raises OSError when the folder cannot be written: then a job may still begin it.
    """
    claim(paths, NOBODY)
    return read_owner(paths)


def owner_on_record(paths: JobFolder) -> str:
    """A job, NOBODY, or empty while nobody owns it. Raises OSError."""
    try:
        return read_trusted(paths.owner).decode(errors="replace").strip()
    except ForeignFileError as error:
        note_foreign(error)
        return ""
    except OSError as error:
        if says_nothing(error):
            raise
        return ""
