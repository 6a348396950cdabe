"""Files that are either complete or absent, on local disks and on NFS.

Every record is written under a temporary name in the same folder, fsynced and renamed. So readers
never see a part of a file, and a crash leaves none (rename(2) is atomic within a file system, also
between clients of NFS version 3 and 4).
"""

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

OWNER_ONLY = 0o600
OPEN_FILE = 0o640
_GROUP_READS = stat.S_IRGRP | stat.S_IXGRP
# Files of runs that hold resolved configs, code or tokens.
_ALWAYS_CLOSED = frozenset(
    {"task.json", "payload.pkl", "tasks.jsonl", "payloads", "ray_token", "ray_request.json"}
)

JsonDict = dict[str, Any]


def write_atomic(path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Replace the content of `path` by `data`; if that fails, raise OSError and change nothing.

    In a folder that is open to a team (see `run_folder.sharing`) the file is open, too, unless it
    holds secrets.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    shared = _mode_of_file(path, mode)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            os.fchmod(descriptor, _mode_of_own(descriptor, mode, shared))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # the error of write(2) on a full disk names no file
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: JsonDict, *, mode: int = OWNER_ONLY) -> None:
    """As `write_atomic`; NaN and infinity are written as `NaN`, `Infinity`, `-Infinity`."""
    write_atomic(path, (json.dumps(value, indent=1) + "\n").encode(), mode=mode)


def _mode_of_file(path: Path, mode: int) -> int:
    """The permissions of a new file; `mode` are those that it would have in a closed folder."""
    if mode != OWNER_ONLY or path.name in _ALWAYS_CLOSED or not is_open(path.parent):
        return mode
    return OPEN_FILE


def _mode_of_own(descriptor: int, mode: int, shared: int) -> int:
    """The file's permissions; the owner's do not depend on the umask, which a task may change."""
    if shared == OPEN_FILE:
        return shared
    return stat.S_IMODE(os.fstat(descriptor).st_mode) | mode & stat.S_IRWXU


def is_open(folder: Path) -> bool:
    """Whether the team may read the files in this folder of a run or batch."""
    mode = folder.stat().st_mode
    return is_for_group(mode) and not mode & (stat.S_IWGRP | stat.S_IRWXO)


def is_for_group(mode: int) -> bool:
    """Whether files made in a folder get its group (setgid), and the group may read the folder."""
    return bool(mode & stat.S_ISGID) and mode & _GROUP_READS == _GROUP_READS


def _sync_folder(folder: Path) -> None:
    # Without this a power cut can lose the rename although the file's data is on disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse fsync on folders; they order the rename themselves
    finally:
        os.close(descriptor)
