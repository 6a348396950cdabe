"""Removes a run for good, but never one that another process submits again at that moment.

The lock is the name of the run's next submission (see `next_submission`). If the remover dies in
between, nobody has to wait: the next `gc` continues the removal.
"""

import contextlib
import logging
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from tmgg.experiment_utils.files.looking import is_there, listing
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.run_folder.batch_index import find_member, note_removed
from tmgg.experiment_utils.run_folder.lost_folders import has_lost_folder
from tmgg.experiment_utils.run_folder.next_submission import bar_next_submission
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.remains import earlier_folder, remains_of
from tmgg.experiment_utils.run_folder.removed_runs import note_removal

log = logging.getLogger(__name__)

# The name says whether the output is removed, too: the `gc` that continues an interrupted removal
# may have been called with other options.
_WITH_OUTPUT = ".all"
_DOOMED = re.compile(r"\.(?P<run_id>.+)\.[0-9a-f]{8}(?P<with_output>\.all)?\.removed\.tmp")


def remove_run(paths: RunPaths, *, with_output: bool, may_go: Callable[[], bool]) -> bool:
    """Remove a run's record and logs; with `with_output` the experiment's files, too.

    `may_go` is called when no process can submit the run again any more. Returns False, and removes
    nothing, if `may_go` does, or if the run was submitted again just now.
    """
    if has_lost_folder(paths):
        return _remove_lost(paths, may_go)
    mark = bar_next_submission(paths)
    if mark is None:
        return False
    if not may_go():
        mark.unlink(missing_ok=True)
        return False
    _remove(paths, with_output=with_output)
    return True


def finish_removals(output_dir: Path) -> None:
    """Complete interrupted removals, with or without the output, as each was begun.

    Raises OSError when the folder cannot be listed.
    """
    for name in listing(output_dir):
        if found := _DOOMED.fullmatch(name):
            paths = RunPaths(output_dir, found["run_id"])
            try:
                _empty(output_dir / name, paths, with_output=bool(found["with_output"]))
            except OSError as error:
                log.warning("what is left of run %s cannot be removed: %s", paths.run_id, error)


def _remove_lost(paths: RunPaths, may_go: Callable[[], bool]) -> bool:
    """Remove the remaining files of a run whose folder a user removed by hand."""
    if not may_go():
        return False
    left = remains_of(paths)
    with contextlib.suppress(OSError):
        note_removal(paths)
    note_removed(paths)
    for file in left:
        file.unlink(missing_ok=True)
    return True


def _remove(paths: RunPaths, *, with_output: bool) -> None:
    # First the files that could be taken for those of a later run of this name. The verdict and the
    # record vanish later, in one step, so after a crash the run still has the same verdict.
    ended = [paths.submission(number).ended for number in paths.submission_numbers()]
    for file in (*ended, paths.stdout, paths.stderr):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # a full disk: others will not know that it was removed
        note_removal(paths)
    note_removed(paths)
    what = _WITH_OUTPUT if with_output else ""
    doomed = paths.output_dir / f".{paths.run_id}.{secrets.token_hex(4)}{what}.removed.tmp"
    try:
        paths.folder.rename(doomed)
    except FileNotFoundError:
        return  # another process removed it at this moment
    _empty(doomed, paths, with_output=with_output)


def _empty(doomed: Path, paths: RunPaths, *, with_output: bool) -> None:
    if not with_output:
        _rescue(doomed / paths.artifacts.name, _place_for_output(paths))
    failed: list[BaseException] = []
    shutil.rmtree(doomed, onerror=lambda _call, _path, info: failed.append(info[1]))
    # Another `gc` may remove the same files.
    lasting = [error for error in failed if not isinstance(error, FileNotFoundError)]
    if lasting:
        log.warning("what is left of run %s is not removed yet: %s", paths.run_id, lasting[0])


def _place_for_output(paths: RunPaths) -> Path:
    """Where the output is kept: its old place, or another one if a new run has the name by now.

    Raises OSError when the file system does not answer.
    """
    has_name = is_there(paths.run) or find_member(paths.submission(1)) is not None
    return earlier_folder(paths) / paths.artifacts.name if has_name else paths.artifacts


def _rescue(source: Path, target: Path) -> None:
    """Move the experiment's files. Raises OSError if that fails; then they stay where they are."""
    try:
        if not any(source.iterdir()):
            return
    except (FileNotFoundError, NotADirectoryError):
        return
    target.parent.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another process moved it
        source.rename(target)
