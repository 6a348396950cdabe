"""Reads from a submission's records what it used."""

from pathlib import Path

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.looking import listing
from tmgg.experiment_utils.run_folder.rank_paths import rank_folder
from tmgg.experiment_utils.run_folder.sound_records import read_sound
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.sampling.used import HostUse, RunUse, add_up


def read_use(files: SubmissionFiles) -> RunUse | None:
    """What the run used; None if nothing was recorded, because it was short or has just begun.

    As with all evidence, a record that is damaged, not trusted or of another submission counts as
    missing. Raises OSError when the file system does not answer.
    """
    own = _read(files, files.paths.usage)
    if own is not None:
        return add_up([own])
    ranks = sorted(filter(str.isdecimal, listing(files.paths.ranks)), key=int)
    name = files.paths.usage.name
    found = [_read(files, rank_folder(files.paths, int(rank)) / name) for rank in ranks]
    parts = [part for part in found if part is not None]
    return add_up(parts) if parts else None


def find_use(files: SubmissionFiles) -> RunUse | None:
    """As `read_use`, for display: None also if the file system does not answer."""
    try:
        return read_use(files)
    except (OSError, RecordError):
        return None


def _read(files: SubmissionFiles, path: Path) -> HostUse | None:
    value = read_sound(path)
    if value is None:
        return None
    try:
        found = HostUse.from_json(value, what=str(path))
        return found if files.carry(found.token) else None
    except RecordError:
        return None
