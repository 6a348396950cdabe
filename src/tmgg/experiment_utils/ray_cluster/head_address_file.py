"""Where the head is: one small file in the submission's folder.

The job script makes it, empty, before the nodes start; the head writes into it once, with a single
write. A file that is there from the beginning is asked for anew at every open (close-to-open
consistency, nfs(5)), while a name that was missing once may stay missing in a client's cache for a
minute; that is why this one is not written to another name and renamed.
"""

import json
import os
from pathlib import Path

Address = tuple[str, int]


def publish(path: Path, address: Address, *, start: str) -> None:
    """Write the head's address for this start of the job. Raises OSError."""
    host, port = address
    text = json.dumps({"start": start, "host": host, "port": port}) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def look_up(path: Path, *, start: str) -> Address | None:
    """The head's address; None while this start's head has not written it, or only in part."""
    try:
        value = json.loads(path.read_bytes())
        return (str(value["host"]), int(value["port"])) if value["start"] == start else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
