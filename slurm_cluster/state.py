"""The options with which a cluster was last brought up, saved for later commands."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from slurm_cluster.layout import ClusterLayout
from slurm_cluster.options import ClusterOptions

_VERSION = 1


@dataclass(frozen=True, slots=True)
class SavedState:
    """The options in force and the folders exposed in every machine."""

    options: ClusterOptions
    exposed: tuple[Path, ...]


def read_state(layout: ClusterLayout) -> SavedState | None:
    """The saved state; None if there never was such a cluster."""
    try:
        values = json.loads(layout.state.read_text())
    except FileNotFoundError:
        return None
    exposed = tuple(Path(path) for path in values["exposed"])
    return SavedState(ClusterOptions.from_json(values["options"]), exposed)


def write_state(layout: ClusterLayout, state: SavedState) -> None:
    """Save atomically."""
    values = {
        "version": _VERSION,
        "options": state.options.to_json(),
        "exposed": [str(path) for path in state.exposed],
    }
    write_file(layout.state, json.dumps(values, indent=1) + "\n")


def write_file(path: Path, text: str, *, mode: int = 0o644, owner: int = 0) -> None:
    """Write to a temporary name, then rename, so that no daemon reads half a file."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(mode)
    os.chown(temporary, owner, -1)
    temporary.replace(path)
