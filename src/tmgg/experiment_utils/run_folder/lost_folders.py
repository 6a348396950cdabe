"""Runs of a sweep whose folders a user removed by hand.

Such a run is still in the sweep's batch 0, among the runs that are not submitted yet, as if it had
never begun. Its exit record and its logs lie outside of its folder, and show that it began.
"""

import contextlib
from pathlib import Path

from tmgg.experiment_utils.files.looking import look_anew
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.remains import remains_of
from tmgg.experiment_utils.run_folder.sound_records import read_sound


def has_lost_folder(paths: RunPaths) -> bool:
    """Whether `left_of_lost_run` finds anything."""
    return bool(left_of_lost_run(paths))


def left_of_lost_run(paths: RunPaths) -> list[Path]:
    """Exit records and logs of a sweep's run that has begun, and whose folder is gone.

    Empty for any other run. Raises OSError when the file system does not answer.
    """
    member = None if paths.submission_numbers() else find_member(paths.submission(1))
    if member is None or not member.batch.is_waiting:
        return []
    left = [path for path in remains_of(paths) if _is_newer(path, member.batch.runs)]
    if left:
        look_anew(paths.output_dir)  # a network file system may show the log before the folder
        left = [] if paths.submission_numbers() else left
    return left


def lost_since(paths: RunPaths) -> float | None:
    """When a run whose folder is lost last wrote a file (Unix time); None for any other run."""
    with contextlib.suppress(OSError):
        return max((path.stat().st_mtime for path in left_of_lost_run(paths)), default=None)
    return None


def _is_newer(path: Path, than: Path) -> bool:
    """Whether `path` is not older than `than`; an older file is of an earlier run of that name.

    Both times come from the clock of one file server, so they can be compared.
    """
    return path.stat().st_mtime_ns >= than.stat().st_mtime_ns


def words_of_lost_run(paths: RunPaths, left: list[Path]) -> str:
    """Describes a run whose folder is lost; `left` are its remaining files."""
    begun = f"run {paths.run_id} was removed: it has begun, and its folder {paths.folder} is gone"
    ended = [path for path in left if path.parent == paths.ended_folder]
    if not ended:
        return f"{begun}. It has a log and no exit record ({left[0]}): it may still run"
    record = read_sound(ended[-1]) or {}
    code = record.get("entrypoint_exit_code")
    how = (
        "completed" if code == 0 else f"ended without success (exit code {record.get('exit_code')})"
    )
    return f"{begun}. Its exit record says that it {how} ({ended[-1]})"
