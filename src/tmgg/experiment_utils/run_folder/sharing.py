"""Whether a user lets her team read the records of her runs: TMGG_RECORDS=team.

The choice is made when a run is made, and is kept as the permissions of the run's folder: the group
may read and enter the folder, but not write. Files with code, or with configs, which may contain
secrets, always stay closed.
"""

import os
from pathlib import Path

from tmgg.errors import ConfigError
from tmgg.experiment_utils.files.atomic_file import OPEN_FILE, OWNER_ONLY, is_for_group, is_open
from tmgg.experiment_utils.files.looking import is_folder
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER

RECORDS_VARIABLE = "TMGG_RECORDS"
_PRIVATE, _TEAM = "private", "team"
_OPEN_FOLDER = 0o2750


def shares_records() -> bool:
    """Whether this user has chosen to share. Raises ConfigError for a value that is not valid."""
    chosen = os.environ.get(RECORDS_VARIABLE) or _PRIVATE
    if chosen not in (_PRIVATE, _TEAM):
        raise ConfigError(f"TMGG_RECORDS must be private or team, not {chosen!r}")
    return chosen == _TEAM


def check_can_share(output_dir: Path) -> None:
    """Raise ConfigError if records are to be shared, but the folder is not set up for a team."""
    if not shares_records():
        return
    status = output_dir.stat()
    # A user can give files only to groups that she is in.
    if not is_for_group(status.st_mode) or status.st_gid not in {os.getegid(), *os.getgroups()}:
        raise ConfigError(
            f"TMGG_RECORDS=team is not possible in {output_dir}: the folder must belong to a "
            "group of yours, be setgid and be open to the group. Nothing was submitted. Make it "
            f"one (chgrp GROUP {output_dir}; chmod 3770 {output_dir}), or set "
            "TMGG_RECORDS=private."
        )


def make_new_folder(folder: Path) -> None:
    """Make the folder of a new run or batch, open to the team if so chosen. Raises OSError."""
    _make(folder, is_open=shares_records())


def make_folder_as(folder: Path, model: Path, *, exist_ok: bool = False) -> None:
    """Make another folder of a run or batch, with the same openness as `model`."""
    if exist_ok and is_folder(folder):
        return
    _make(folder, is_open=is_open(model), exist_ok=exist_ok)


def mode_for_team() -> int:
    """The permissions of a new file that several runs share, as this user has chosen."""
    return OPEN_FILE if shares_records() else OWNER_ONLY


def mode_beside(run_folder: Path) -> int:
    """The permissions of a run's file that lies outside the run's folder. Raises OSError."""
    try:
        return OPEN_FILE if is_open(run_folder) else OWNER_ONLY
    except FileNotFoundError:
        return OWNER_ONLY


def _make(folder: Path, *, is_open: bool, exist_ok: bool = False) -> None:
    folder.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=exist_ok)
    if is_open:
        folder.chmod(_OPEN_FOLDER)  # the group is that of the folder above, which has setgid
