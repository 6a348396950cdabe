"""How long an expected file or job has been missing; this limits every wait for it.

The first process that notices writes the time to a file, so short-lived processes share one wait.
If the run's folder cannot be written (no permission, a full disk), the file is in the user's home.
Each process also counts by itself, in case no file can be written or another machine's clock is
wrong.
"""

import hashlib
import logging
import socket
import time
from pathlib import Path

from tmgg.experiment_utils.cloud.judging.memory import Remembered
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.run_folder.batch_index import make_run_folder
from tmgg.experiment_utils.run_folder.evidence import Evidence, noted_since_s
from tmgg.experiment_utils.run_folder.evidence_token import expect_token
from tmgg.experiment_utils.run_folder.known_folders import home_folder
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, SubmissionPaths
from tmgg.experiment_utils.run_folder.sound_records import read_sound
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles

log = logging.getLogger(__name__)


def missing_since_s(
    remembered: Remembered, files: SubmissionFiles, evidence: Evidence, *, missing: bool
) -> float | None:
    """The longer of the times on record and in this process; None if there is none.

    The file in the home is read only if something is `missing`.
    """
    since = remembered.missing_since_s
    own = None if since is None else time.monotonic() - since
    noted = evidence.missing_since_s
    if noted is None and missing:
        noted = _noted_at_home(remembered, files)
    return max((age_s for age_s in (own, noted) if age_s is not None), default=None)


def note_missing(remembered: Remembered, files: SubmissionFiles, *, missing: bool) -> None:
    """Note since when something is missing, or remove the note if nothing is."""
    if not missing:
        remembered.missing_since_s = None
        _remove(files.paths.missing)
        forget_missing(files)
    elif remembered.missing_since_s is None:
        remembered.missing_since_s = time.monotonic()
        if noted_since_s(files.missing) is None and _noted_at_home(remembered, files) is None:
            _note(remembered, files)


def forget_missing(files: SubmissionFiles) -> None:
    """Remove the note in the home."""
    _remove(_at_home(files))


def _note(remembered: Remembered, files: SubmissionFiles) -> None:
    try:
        make_run_folder(files.paths)
        write_json(files.paths.missing, _record(files.paths))
    except OSError as error:
        log.info("could not note what is missing: %s", error)
        _note_at_home(remembered, files)


def _note_at_home(remembered: Remembered, files: SubmissionFiles) -> None:
    note = _at_home(files)
    try:
        note.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        write_json(note, _record(files.paths) | {"restart": _restart(remembered, files)})
    except OSError as error:
        log.info("could not note what is missing: %s", error)


def _noted_at_home(remembered: Remembered, files: SubmissionFiles) -> float | None:
    """As `noted_since_s`; None also if the note is of another start, or cannot be read."""
    try:
        record = read_sound(_at_home(files)) or {}
        # A job that begins again removes only the note in the run's folder.
        is_its = record.get("restart") == _restart(remembered, files)
        return noted_since_s(record) if is_its else None
    except OSError as error:
        log.info("could not read since when something is missing: %s", error)
        return None


def _restart(remembered: Remembered, files: SubmissionFiles) -> int:
    return max(remembered.restarts, files.last_start)


def _at_home(files: SubmissionFiles) -> Path:
    name = hashlib.sha256(f"{files.paths.folder}\0{files.token}".encode()).hexdigest()[:32]
    return home_folder() / "missing" / f"{name}.json"


def _remove(note: Path) -> None:
    try:
        note.unlink(missing_ok=True)
    except OSError as error:
        log.info("could not remove the note of what was missing: %s", error)


def _record(paths: SubmissionPaths) -> JsonDict:
    return {
        "version": LAYOUT_VERSION,
        "since": time.time(),
        "host": socket.gethostname(),
        "token": expect_token(paths),
    }
