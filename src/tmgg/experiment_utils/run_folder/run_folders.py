"""Which runs are recorded in a folder, and what of it could not be seen.

Three answers are kept apart: a run that is there, one that belongs to somebody else who keeps it
closed, and one that nobody can tell about because the file system does not answer.
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
    """By run id; among them what is in `unread`."""
    unread: list[RunPaths] = field(default_factory=list)
    """Runs whose records cannot be read now, though nothing says that they are another's."""
    closed: Counter[str] = field(default_factory=Counter)
    """How many runs of others are closed to this user, by their owner."""
    closed_by: str | None = None
    """The other user whose folder this is, when nobody else may look into it."""
    problem: OSError | None = None
    """Why there may be more runs than were seen."""

    @property
    def is_whole(self) -> bool:
        """Whether all runs of this user were seen, as far as there are any."""
        return self.problem is None and self.closed_by is None


def look_into(
    folder: Path, *, prefix: str = "", without: Collection[str] = frozenset()
) -> FolderLook:
    """The runs recorded in a folder whose id begins with `prefix`.

    `without` are names not to look at. A folder that does not exist has none.
    """
    names: set[str] = set()
    unread: set[str] = set()
    closed = Counter[str]()
    try:
        for name in folders_in(folder, prefix=prefix):
            if name in without:
                continue
            # access(2), and plain strings: thousands of runs make a Path's price felt.
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
    """As `look_into`, for who must see all of this user's runs. Raises OSError when it cannot."""
    look = look_into(folder, prefix=prefix, without=without)
    if look.problem is not None:
        raise look.problem
    return look.runs


def folders_in(folder: Path, *, prefix: str = "") -> list[str]:
    """What may be runs that have a folder of their own, by name. Raises OSError."""
    with os.scandir(folder) as entries:
        return [
            entry.name
            for entry in entries
            if entry.name.startswith(prefix) and entry.name[0] != "." and entry.is_dir()
        ]


def _why_not_read(folder: str) -> str | None:
    """The owner of a run that is closed to this user; "" when nobody can tell, None for no record.

    An own record that is there, and is closed by its mode, is reported as its owner's.
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
    """The other user who has not shared what the error is about; that does not pass."""
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
