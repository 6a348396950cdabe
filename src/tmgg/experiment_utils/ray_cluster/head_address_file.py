"""The file with the head's address, in the submission's folder.

The job script makes it, empty, before the nodes start; the head writes into it once, with a single
write. It is not written under another name and renamed, because of NFS: a client that once found a
name missing may report it as missing for a minute. For a file that exists from the beginning, the
client asks its server at every open (close-to-open consistency, nfs(5)).
"""

import json
import os
from pathlib import Path

from tmgg.experiment_utils.files.looking import look_anew

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
    """The head's address; None while this start's head has not written it completely."""
    try:
        value = json.loads(path.read_bytes())
        return (str(value["host"]), int(value["port"])) if value["start"] == start else None
    except OSError:
        look_anew(path.parent)  # this node may know only that an earlier head has removed the file
        return None
    except (ValueError, KeyError, TypeError):
        return None
