"""The folders in which this user has runs: a list in her home, for convenience and for caution."""

import os
from pathlib import Path

from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER


def home_folder() -> Path:
    """Where this user's list of folders is."""
    return Path(os.environ.get("TMGG_HOME") or "~/.tmgg").expanduser()


def known_folders() -> list[Path]:
    """Folders that hold or held runs of this user, newest first."""
    return _folders_in(_list())


def remember_folder(folder: Path) -> None:
    """Add a folder to the list. Failing (a read-only home) only costs the convenience."""
    known = _list()
    if folder in _folders_in(known):
        return
    try:
        known.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        # One write of one line: POSIX appends do not interleave.
        with known.open("a") as stream:
            stream.write(f"{folder}\n")
    except OSError:
        return


def had_runs(output_dir: Path) -> bool:
    """Whether runs were ever recorded there, or that is not known now."""
    try:
        known = _list().read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return os.fsencode(output_dir) in known.split(b"\n")


def _list() -> Path:
    return home_folder() / "folders"


def _folders_in(known: Path) -> list[Path]:
    try:
        lines = known.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(line) for line in reversed(lines) if line.startswith("/")]
