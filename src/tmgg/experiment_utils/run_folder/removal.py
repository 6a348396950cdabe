"""Removing a run for good, and never one that somebody submits again in that moment.

The lock is the name of the run's next submission: whoever submits it again renames a folder to that
name, and whoever removes it makes a file of that name first, exclusively. Exactly one of them wins,
on NFS, too, and a process that dies in between leaves nothing that somebody must wait for: the next
`gc` goes on from there.
"""

import contextlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from tmgg.experiment_utils.files.looking import is_plain_file, is_there, listing
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.run_folder.batch_index import find_member, note_removed
from tmgg.experiment_utils.run_folder.lost_folders import has_lost_folder
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.remains import earlier_folder, remains_of
from tmgg.experiment_utils.run_folder.removed_runs import note_removal

log = logging.getLogger(__name__)

# The name says whether the output is removed, too: the `gc` that goes on with it may have been
# called with other options.
_WITH_OUTPUT = ".all"
_DOOMED = re.compile(r"\.(?P<run_id>.+)\.[0-9a-f]{8}(?P<with_output>\.all)?\.removed\.tmp")


def remove_run(paths: RunPaths, *, with_output: bool, may_go: Callable[[], bool]) -> bool:
    """Remove a run's record and logs; with `with_output` what the experiment wrote, too.

    `may_go` is asked once nobody can submit the run again any more; False when it says no, or when
    the run was submitted again just now.
    """
    if has_lost_folder(paths):
        return _remove_lost(paths, may_go)
    mark = _bar_next_submission(paths)
    if mark is None:
        return False
    if not may_go():
        mark.unlink(missing_ok=True)
        return False
    _remove(paths, with_output=with_output)
    return True


def finish_removals(output_dir: Path) -> None:
    """Remove what a removal that was interrupted left, with or without output as it was begun.

    Raises OSError when nobody could look.
    """
    for name in listing(output_dir):
        if found := _DOOMED.fullmatch(name):
            paths = RunPaths(output_dir, found["run_id"])
            try:
                _empty(output_dir / name, paths, with_output=bool(found["with_output"]))
            except OSError as error:
                log.warning("what is left of run %s cannot be removed: %s", paths.run_id, error)


def _bar_next_submission(paths: RunPaths) -> Path | None:
    """Take the name of the next submission; None when somebody was first."""
    mark = paths.folder / str(max(paths.submission_numbers(), default=1) + 1)
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # Of a removal that was interrupted, or that is under way: what it does is done once.
        return mark if is_plain_file(mark) else None
    except FileNotFoundError:
        return None  # somebody else removed it
    return mark


def _remove_lost(paths: RunPaths, may_go: Callable[[], bool]) -> bool:
    """What is left of a run whose folder somebody removed by hand."""
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
    # First what could be taken for a word about a later run of this name. The verdict stays until
    # the record vanishes, in one step, so a crash changes nothing of what is said about the run.
    ended = [paths.submission(number).ended for number in paths.submission_numbers()]
    for file in (*ended, paths.stdout, paths.stderr):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # a full disk: whoever looks now learns less
        note_removal(paths)
    note_removed(paths)
    what = _WITH_OUTPUT if with_output else ""
    doomed = paths.output_dir / f".{paths.run_id}.{secrets.token_hex(4)}{what}.removed.tmp"
    try:
        paths.folder.rename(doomed)
    except FileNotFoundError:
        return  # somebody else removed it in this moment
    _empty(doomed, paths, with_output=with_output)


def _empty(doomed: Path, paths: RunPaths, *, with_output: bool) -> None:
    if not with_output:
        _rescue(doomed / paths.artifacts.name, _place_for_output(paths))
    failed: list[BaseException] = []
    shutil.rmtree(doomed, onerror=lambda _call, _path, info: failed.append(info[1]))
    # Another `gc` may remove the same.
    lasting = [error for error in failed if not isinstance(error, FileNotFoundError)]
    if lasting:
        log.warning("what is left of run %s is not removed yet: %s", paths.run_id, lasting[0])


def _place_for_output(paths: RunPaths) -> Path:
    """Its old place, or one beside it when a new run has the name, and so the place, by now.

    Raises OSError when nobody could look.
    """
    has_name = is_there(paths.run) or find_member(paths.submission(1)) is not None
    return earlier_folder(paths) / paths.artifacts.name if has_name else paths.artifacts


def _rescue(source: Path, target: Path) -> None:
    """Raises OSError when what the experiment wrote cannot be kept; then it stays where it is."""
    try:
        if not any(source.iterdir()):
            return
    except (FileNotFoundError, NotADirectoryError):
        return
    target.parent.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another process did
        source.rename(target)
