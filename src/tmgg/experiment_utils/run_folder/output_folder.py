"""The folder in which runs are kept, made ready before anything is submitted to it."""

from collections.abc import Sequence
from pathlib import Path

from tmgg.experiment_utils.files.looking import is_folder
from tmgg.experiment_utils.files.trust import check_folder, make_shared_folder
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.sharing import check_can_share

SHARED = (RunPaths.ENDED_NAME, BatchPaths.FOLDER_NAME, SweepPaths.FOLDER_NAME)
"""Folders in it that all runs share, whoever's they are."""


def prepare_output_dir(output_dir: Path, names: Sequence[str] = SHARED) -> None:
    """Make it and these of the folders that all of its runs share, as far as they are not there.

    Raises ConfigError when strangers could replace what is in it, or when this user cannot write
    there, OSError when it cannot be made.
    """
    if not is_folder(output_dir):
        check_folder(output_dir)  # the folders above it
        output_dir.mkdir(parents=True, exist_ok=True)
    check_folder(output_dir)
    check_can_share(output_dir)
    for name in names:
        make_shared_folder(output_dir / name)
