"""Makes the output folder, in which runs are kept, before anything is submitted to it."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from tmgg.errors import ConfigError
from tmgg.experiment_utils.files.accounts import user_name
from tmgg.experiment_utils.files.looking import is_folder
from tmgg.experiment_utils.files.trust import (
    OWNER_ONLY_FOLDER,
    TEAM_VARIABLE,
    Circle,
    circle,
    problem_of_folder,
)
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.sharing import check_can_share

SHARED = (RunPaths.ENDED_NAME, BatchPaths.FOLDER_NAME, SweepPaths.FOLDER_NAME)
"""Folders in it that all runs share, also those of different users."""


def prepare_output_dir(output_dir: Path, names: Sequence[str] = SHARED) -> None:
    """Make the output folder and, in it, those folders `names` that all of its runs share.

    Existing folders are kept. Raises ConfigError when strangers could replace files in the output
    folder, or when this user cannot write there; OSError when a folder cannot be made.
    """
    if not is_folder(output_dir):
        check_folder(output_dir)  # the folders above it
        output_dir.mkdir(parents=True, exist_ok=True)
    check_folder(output_dir)
    check_can_share(output_dir)
    for name in names:
        make_shared_folder(output_dir / name)


def check_folder(folder: Path) -> None:
    """Raise ConfigError when strangers can write in the folder, or in one above it."""
    found = _chain_problem(str(folder), circle())
    if found is not None:
        problem, place = found
        raise ConfigError(
            f"output_dir {folder} is not safe: {problem}. Other users could replace files that "
            f"run there in your name. Nothing was submitted. Use a folder of your own{_mend(place)}"
            f". If you trust these users, name them in {TEAM_VARIABLE} (docs/security.md)."
        )


def _mend(place: str) -> str:
    """What the caller, or the folder's owner, can do if strangers may write in the folder."""
    owner = Path(place).stat().st_uid
    if owner == os.geteuid():
        return f", or remove the right to write (chmod go-w {place}), or set the sticky bit (+t)"
    return f"; only {user_name(owner)} can change who may write in {place}"


def _chain_problem(folder: str, trusted: Circle) -> tuple[str, str] | None:
    """A problem of a folder or one above it (links followed), and that folder; None without one."""
    for place in dict.fromkeys([*_upwards(folder), *_upwards(os.path.realpath(folder))]):
        # A folder that does not exist yet will be made by this user, so it has no problem.
        with contextlib.suppress(FileNotFoundError):
            problem = problem_of_folder(place, os.stat(place), trusted)  # noqa: PTH116
            if problem is not None:
                return problem, place
    return None


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder)) != folder:  # noqa: PTH120
        yield parent
        folder = parent


def make_shared_folder(folder: Path) -> None:
    """Make a folder for files of all users who can write in the folder above it.

    The sticky bit protects the files of each user from the others. Raises ConfigError when the
    folder exists and this user cannot write in it, OSError when it cannot be made.
    """
    above = folder.parent.stat()
    shared = above.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    mode = (
        OWNER_ONLY_FOLDER
        if not shared
        else OWNER_ONLY_FOLDER | stat.S_ISVTX | (above.st_mode & 0o2077)
    )
    try:
        folder.mkdir(mode=OWNER_ONLY_FOLDER)
    except FileExistsError:
        status = folder.stat()
        if status.st_uid != os.geteuid():
            _check_usable(folder, status)
            return
        if not shared or stat.S_IMODE(status.st_mode) == mode:
            return
    if shared:
        os.chown(folder, -1, above.st_gid)
        folder.chmod(mode)


def _check_usable(folder: Path, status: os.stat_result) -> None:
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return
    owner = user_name(status.st_uid)
    raise ConfigError(
        f"{folder} belongs to {owner}, and you cannot write in it, so TMGG could not record your "
        f"runs in {folder.parent}. Nothing was submitted. Use another output_dir; or make "
        f"{folder.parent} a team's folder (chmod 3770, with the team's group), in which case the "
        f"next submission of {owner}, or `chmod 3770 {folder}`, opens it."
    )
