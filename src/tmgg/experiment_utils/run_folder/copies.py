"""Output folders that were copied while runs went on: the jobs write into the original."""

import contextlib
import secrets
from pathlib import Path

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.sound_records import read_sound, text_in
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles


def original_of(files: SubmissionFiles) -> Path | None:
    """The folder that the submission's job writes into, if `files` are only a copy of it.

    None for the original itself, under any path, and for a folder that was moved. None also if it
    is not known, for example on a host that does not see the original.
    """
    folder = files.intent_folder
    try:
        noted = None if folder is None else text_in(files.intent, "folder")
    except RecordError:
        return None
    if folder is None or noted is None or noted == str(folder):
        return None
    original = Path(noted)
    try:
        if original.stat().st_ino == folder.stat().st_ino or _is_same(folder, original):
            return None
        there = read_sound(original / "intent.json") or {}
    except OSError:
        return None
    return original if there.get("token") == files.intent.get("token") else None


def _is_same(one: Path, other: Path) -> bool:
    """Whether a file made in one folder appears in the other.

    Inode numbers do not suffice: two mounts of one file system may number its files differently.
    """
    mark = f".same.{secrets.token_hex(4)}"
    (one / mark).touch()
    try:
        return is_there(other / mark)
    finally:
        with contextlib.suppress(FileNotFoundError):
            (one / mark).unlink()
