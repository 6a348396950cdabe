"""Checks the output folders of a sweep's runs: no two runs share one, and no path is too long."""

import os
from collections.abc import Iterable
from pathlib import Path

from tmgg.errors import ConfigError
from tmgg.experiment_utils.some_names import some_of

LONGEST_NAME_BYTES = 255
LONGEST_PATH_BYTES = 4095
"""Linux's limit, without the byte that ends a path."""
NAMES_SHOWN = 4
SHOWN_LETTERS = 60


def refuse_shared(folders: Iterable[tuple[str, str]], *, cure: str) -> None:
    """Raises ConfigError if two runs write into one folder.

    `folders` holds pairs of a run's name and its folder. `cure` tells the user what to do.
    """
    runs: dict[str, list[str]] = {}
    for name, folder in folders:
        runs.setdefault(os.path.normpath(folder), []).append(name)
    for folder, names in runs.items():
        if len(names) > 1:
            raise ConfigError(
                f"{len(names)} runs of the sweep have one output folder, {folder}: "
                f"{some_of(names, NAMES_SHOWN)}. "
                f"They would overwrite each other's files. Nothing was submitted. {cure}"
            )


def refuse_long(path: str, *, name: str, cure: str) -> None:
    """Raises ConfigError for a path that is too long for the file system; `name` names the run."""
    folder = Path(path)
    limit = _longest_name(folder)
    for part in folder.parts:
        size = len(os.fsencode(part))
        if size > limit:
            raise ConfigError(
                f"{name} has a folder or file name of {size} bytes, {part[:SHOWN_LETTERS]}...; the "
                f"file system takes {limit} at most. Nothing was submitted. {cure}"
            )
    size = len(os.fsencode(path))
    if size > LONGEST_PATH_BYTES:
        raise ConfigError(
            f"{name} has a path of {size} bytes, {path[:SHOWN_LETTERS]}...; the system takes "
            f"{LONGEST_PATH_BYTES} at most. Nothing was submitted. {cure}"
        )


def _longest_name(folder: Path) -> int:
    """The limit on a name in bytes, from the file system of the nearest existing parent folder."""
    for each in folder.parents:
        try:
            return os.pathconf(each, "PC_NAME_MAX")
        except (OSError, ValueError):
            continue
    return LONGEST_NAME_BYTES
