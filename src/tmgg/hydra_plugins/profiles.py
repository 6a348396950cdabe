"""Launchers of this user that every Hydra app finds by name: `hydra/launcher=my_site`.

They lie below the user's own folder (`~/.tmgg`), which `TmggSearchPath` adds to the end of each
app's search path: a file of the same name among the app's own configs comes first.
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
    """Where the profile of this name is, or would be."""
    return profile_folder() / "hydra" / "launcher" / f"{name}.yaml"


def has_profiles() -> bool:
    """Whether there are any that nobody else could have written: a launcher names what is run."""
    folder = profile_folder()
    return all(_is_own(each) for each in (folder.parent, folder, profile_file("any").parent))


def _is_own(folder: Path) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & _WRITABLE_BY_OTHERS
