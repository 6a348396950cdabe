"""Notes that the nodes of a job write for each other, in a folder that all of them see."""

import time
from collections.abc import Callable
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.files.trust import read_json

LOOK_INTERVAL_S = 0.1


class Exchange:
    """One folder of notes; every wait has a time limit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, value: JsonDict) -> None:
        write_json(self.folder / f"{name}.json", value)

    def get(self, name: str, *, limit_s: float) -> JsonDict | None:
        """Wait for a note; None if there is none after `limit_s` seconds."""
        path = self.folder / f"{name}.json"
        return path_note(path) if _wait(path.exists, limit_s) else None

    def get_all(self, prefix: str, *, count: int, limit_s: float) -> list[JsonDict]:
        """Wait for `count` notes whose names begin with `prefix`; returns those that came."""
        _wait(lambda: len(self._paths(prefix)) >= count, limit_s)
        return [note for path in self._paths(prefix) if (note := path_note(path)) is not None]

    def _paths(self, prefix: str) -> list[Path]:
        # A listing makes an NFS client ask its server again; a stat may answer from its cache.
        paths = (path for path in self.folder.iterdir() if path.suffix == ".json")
        return sorted(path for path in paths if path.name.startswith(prefix))


def path_note(path: Path) -> JsonDict | None:
    return read_json(path)


def _wait(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_INTERVAL_S)
    return True
