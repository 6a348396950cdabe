"""Launchers of this user that every Hydra app finds by name: `hydra/launcher=my_site`.

They are in the user's own folder (`~/.tmgg`). `TmggSearchPath` adds this place at the end of each
app's search path, so a file of the same name among the app's own configs comes first.
"""

import os
import stat
from pathlib import Path

from tmgg.experiment_utils.run_folder.known_folders import home_folder

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def profile_folder() -> Path:
    """The folder to search; the profiles are in `hydra/launcher` below it."""
    return home_folder() / "profiles"


def profile_file(name: str) -> Path:
    """The path of the profile with this name; it need not exist."""
    return profile_folder() / "hydra" / "launcher" / f"{name}.yaml"


def has_profiles() -> bool:
    """Whether the folders exist, and only this user can write them: launchers name what is run."""
    folder = profile_folder()
    return all(_is_own(each) for each in (folder.parent, folder, profile_file("any").parent))


def _is_own(folder: Path) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & _WRITABLE_BY_OTHERS
