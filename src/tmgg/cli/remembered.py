"""Small cache files in this user's home. If one is lost, it only costs time.

A file counts only while it is this user's own and closed to all others.
"""

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.files.atomic_file import OWNER_ONLY, write_atomic
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER


def read_remembered(file: Path) -> Any:
    """The JSON value in the file; None if the file is absent, damaged or open to others."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            facts = os.fstat(stream.fileno())
            if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
                return None
            return json.loads(stream.read())
    except (OSError, ValueError, RecursionError):
        return None


def remember(file: Path, value: Any) -> None:
    """Replace the file; a full disk or a read-only home is no error."""
    text = json.dumps(value, separators=(",", ":"))
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        write_atomic(file, text.encode(), mode=OWNER_ONLY)
