"""Files that are either whole or not there, on local disks and on NFS.

Every record is written to a temporary name in the same folder, fsynced and renamed, so no reader
sees half a file and no crash leaves one (rename(2): atomic within a file system; NFS version 3 and
4 keep that promise between clients).
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from tmgg.errors import RecordError

OWNER_ONLY = 0o600

JsonDict = dict[str, Any]


def write_atomic(path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Replace `path` by `data`, all or nothing; raises OSError (disk full, read-only) cleanly."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


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
    """The object in the file, None when there is no file; a damaged one is a RecordError."""
    try:
        data = path.read_bytes()
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
