"""What a user can do if a file cannot be written, from the error of the file system."""

import errno
import os
from pathlib import Path

from tmgg.experiment_utils.files.accounts import user_name
from tmgg.experiment_utils.files.trust import may_write

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_RIGHT = frozenset({errno.EACCES, errno.EPERM})


def cure_for(error: OSError, folder: Path) -> str:
    """A sentence, without its full stop, on how a file can be written in the folder, or why not.

    Empty if nothing is known that would help.
    """
    if error.errno in _NO_ROOM:
        return f"Make room in {folder}, or in your quota there"
    if error.errno == errno.EROFS:
        return f"The file system of {folder} is mounted read-only here"
    if error.errno not in _NO_RIGHT:
        return ""
    closed = _first_closed(folder)
    if closed is None:
        return ""
    place, owner = closed
    if owner != os.geteuid():
        return f"{place} belongs to {user_name(owner)}, and you may not write in it"
    return f"You may not write in {place} (chmod u+rwx {place})"


def _first_closed(folder: Path) -> tuple[Path, int] | None:
    """The first folder, from this one upwards, that exists, and its owner's number.

    None if this user may write in that folder, or if no folder can be seen.
    """
    for place in (folder, *folder.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue  # not there, or one above it is closed
        return None if may_write(place) else (place, owner)
    return None
