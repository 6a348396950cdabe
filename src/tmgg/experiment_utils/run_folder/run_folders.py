"""Which runs are recorded in a folder, and which could not be read.

Three cases are kept apart: the run is there; it belongs to another user, who keeps it closed; or
nothing is known about it, because the file system does not answer.
"""

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tmgg.experiment_utils.files.accounts import user_name
from tmgg.experiment_utils.files.looking import says_nothing
from tmgg.experiment_utils.run_folder.batch_index import batched_runs, expect_batches
from tmgg.experiment_utils.run_folder.paths import RunPaths


@dataclass(frozen=True, slots=True)
class FolderLook:
    """What one look at a folder showed."""

    runs: list[RunPaths]
    """Sorted by run id; includes the runs in `unread`."""
    unread: list[RunPaths] = field(default_factory=list)
    """Runs whose records cannot be read now, and which may be this user's."""
    closed: Counter[str] = field(default_factory=Counter)
    """How many runs of others are closed to this user, by their owner."""
    closed_by: str | None = None
    """The folder's owner, if it is another user, who keeps it closed; else None."""
    problem: OSError | None = None
    """Why there may be more runs than were seen; None if there are none."""

    @property
    def is_whole(self) -> bool:
        """Whether all runs of this user were seen."""
        return self.problem is None and self.closed_by is None


def look_into(
    folder: Path, *, prefix: str = "", without: Collection[str] = frozenset()
) -> FolderLook:
    """The runs in a folder whose ids begin with `prefix`, except those named in `without`.

    A folder that does not exist has no runs.
    """
    names: set[str] = set()
    unread: set[str] = set()
    closed = Counter[str]()
    try:
        for name in folders_in(folder, prefix=prefix):
            if name in without:
                continue
            # access(2) and plain strings: for thousands of runs Path objects are slow.
            if os.access(f"{folder}/{name}/{RunPaths.RECORD_NAME}", os.R_OK):
                names.add(name)
                continue
            owner = _why_not_read(f"{folder}/{name}")
            if owner:
                closed[owner] += 1
            elif owner is not None:
                unread.add(name)
    except OSError as error:
        owner = owner_who_closed(folder, error)
        is_problem = owner is None and says_nothing(error)
        return FolderLook([], closed_by=owner, problem=error if is_problem else None)
    batched = (name for name in batched_runs(folder) if name.startswith(prefix))
    names.update(name for name in batched if name not in without)
    unread -= names
    runs = [RunPaths(folder, name) for name in sorted(names | unread)]
    unread_runs = [RunPaths(folder, name) for name in sorted(unread)]
    return FolderLook(runs, unread_runs, closed, problem=_unread_batches(folder))


def runs_in(
    folder: Path, *, prefix: str = "", without: Collection[str] = frozenset()
) -> list[RunPaths]:
    """As `look_into`, but raises OSError when runs may exist that were not seen."""
    look = look_into(folder, prefix=prefix, without=without)
    if look.problem is not None:
        raise look.problem
    return look.runs


def folders_in(folder: Path, *, prefix: str = "") -> list[str]:
    """The names of subfolders that may be folders of runs. Raises OSError."""
    with os.scandir(folder) as entries:
        return [
            entry.name
            for entry in entries
            if entry.name.startswith(prefix) and entry.name[0] != "." and entry.is_dir()
        ]


def _why_not_read(folder: str) -> str | None:
    """The owner of a run that this user cannot read; "" if not known now, None if it has no record.

    If the record is there, and its mode forbids reading, the owner may be this user.
    """
    is_seen = True
    try:
        os.stat(f"{folder}/{RunPaths.RECORD_NAME}")  # noqa: PTH116
    except OSError as error:
        if not says_nothing(error):
            return None
        is_seen = False
    try:
        owner = os.lstat(folder).st_uid
    except OSError as error:
        return "" if says_nothing(error) else None
    return user_name(owner) if is_seen or owner != os.geteuid() else ""


def owner_who_closed(folder: Path, error: OSError) -> str | None:
    """The other user who keeps `folder` closed, so the error is permanent; None if it may pass."""
    if not isinstance(error, PermissionError):
        return None
    try:
        owner = folder.stat().st_uid
    except OSError:
        return None
    return None if owner == os.geteuid() else user_name(owner)


def _unread_batches(folder: Path) -> OSError | None:
    try:
        expect_batches(folder)
    except OSError as error:
        return error
    return None
