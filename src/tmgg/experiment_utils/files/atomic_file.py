"""Files that are either complete or absent, on local disks and on NFS.

Every record is written to a temporary name in the same folder, fsynced and renamed, so no reader
sees half a file and no crash leaves one (rename(2): atomic within a file system; NFS version 3 and
4 keep that promise between clients).
"""

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.trust import read_trusted
from tmgg.experiment_utils.run_folder.sharing import OPEN_FILE, mode_of_file

OWNER_ONLY = 0o600

JsonDict = dict[str, Any]


def write_atomic(path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Replace `path` by `data`, all or nothing; raises OSError (disk full, read-only) cleanly.

    In a folder that is open to a team the file is, too, unless it holds secrets (see `sharing`).
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    shared = mode_of_file(path, mode)
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
            error.filename = str(path)  # of a disk that is full the system says only that
        raise
    _sync_folder(path.parent)


def _mode_of_own(descriptor: int, mode: int, shared: int) -> int:
    """What its owner may do is not the umask's to say: a task sets any that it likes."""
    if shared == OPEN_FILE:
        return shared
    return stat.S_IMODE(os.fstat(descriptor).st_mode) | mode & stat.S_IRWXU


def write_json(path: Path, value: JsonDict, *, mode: int = OWNER_ONLY) -> None:
    """As `write_atomic`; NaN and infinity are written as `NaN`, `Infinity`, `-Infinity`."""
    write_atomic(path, (json.dumps(value, indent=1) + "\n").encode(), mode=mode)


def parse_json(text: str | bytes, *, what: str) -> JsonDict:
    """The JSON object in `text`; anything else is a RecordError that names `what`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{what} holds a {type(value).__name__}, not an object")
    return value


def read_json(path: Path) -> JsonDict | None:
    """The object in the file, None when there is no file; a damaged one is a RecordError.

    One that belongs to somebody else is a ForeignFileError, see `trust`.
    """
    try:
        data = read_trusted(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return parse_json(data, what=str(path))


def _sync_folder(folder: Path) -> None:
    # Without this a power cut can lose the rename although the file's data is on disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse fsync on folders; they order the rename themselves
    finally:
        os.close(descriptor)
