"""Who may run a submission: whoever is first to link its name to the file `owner`.

link(2) fails when the name exists, on NFS too, so exactly one wins: a job (the job script does the
same with `ln`), or NOBODY when a submission is given up. A job that comes too late ends unused.
"""

import contextlib
import os
import secrets

from tmgg.experiment_utils.paths import JobFolder

NOBODY = "nobody"


def read_owner(paths: JobFolder) -> str | None:
    """The job that runs the submission; None when none has begun, or none may."""
    owner = _read(paths)
    return owner if owner and owner != NOBODY else None


def is_forbidden(paths: JobFolder) -> bool:
    """Whether no job can ever begin this submission."""
    return _read(paths) == NOBODY


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
    return _read(paths)


def forbid(paths: JobFolder) -> str | None:
    """Let no job begin this submission any more; the job that had begun it before, if one had.

    Raises OSError when the folder cannot be written: then a job may still begin it.
    """
    claim(paths, NOBODY)
    return read_owner(paths)


def _read(paths: JobFolder) -> str:
    try:
        return paths.owner.read_text(errors="replace").strip()
    except OSError:
        return ""
