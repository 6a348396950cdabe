"""The files in a run's output folders that may hold learning curves."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tmgg.experiment_utils.files.trust import open_trusted

MOST_BYTES = 4 << 20
"""The most that is read of a table."""
MOST_ENTRIES = 400
"""The most files and folders that are looked at below an output folder."""
_PARTS = 64
_LONGEST_HEADER = 64 << 10
_DEEPEST = 5
_EVENTS = "events.out.tfevents."
_NEVER = {"checkpoints", ".git", ".hydra", "__pycache__", "wandb"}
# Lightning's loggers make such a folder at each start of a run.
_VERSION = re.compile(r"version_(\d+)")


@dataclass(frozen=True, slots=True)
class CurveFiles:
    """The files of one run that may hold curves."""

    tables: Sequence[Path]
    events: Sequence[Path]
    """Folders with event files of TensorBoard."""
    is_complete: bool = True
    """Whether all files and folders were looked at."""


def find_curve_files(folders: Sequence[Path]) -> CurveFiles:
    """Look at a limited number of files below the folders. What cannot be read is ignored."""
    tables: list[Path] = []
    events: list[Path] = []
    is_complete = True
    for folder in folders:
        for path in _files_below(folder):
            if path is None:
                is_complete = False
            elif path.name.startswith(_EVENTS):
                events.append(path.parent)
            elif path.suffix == ".csv":
                tables.append(path)
    return CurveFiles(sorted(set(tables)), sorted(set(events)), is_complete)


def read_table(path: Path) -> tuple[str, bool]:
    """A table's text, and whether it is only a part of the table.

    For a large table it is the header, and lines from places at equal distances up to the end.
    Raises ForeignFileError, OSError.
    """
    with open_trusted(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        is_part = size > MOST_BYTES
        found = _read_parts(stream, size) if is_part else stream.read(MOST_BYTES)
    return found.decode(errors="replace"), is_part


def attempts_of(paths: Sequence[Path]) -> list[list[Path]]:
    """The paths in groups: each group is one file, which every start of a run writes again. Pure.

    Paths that differ only in the numbers of `version_<n>` are one group, in order of the starts.
    Every other path is a group of its own.
    """
    families: dict[Path, list[tuple[list[int], Path]]] = {}
    for path in paths:
        found = [_VERSION.fullmatch(part) for part in path.parts]
        numbers = [int(match[1]) for match in found if match]
        shared = [
            "version_" if match else part for part, match in zip(path.parts, found, strict=True)
        ]
        families.setdefault(Path(*shared), []).append((numbers, path))
    return [[path for _numbers, path in sorted(members)] for members in families.values()]


def _read_parts(stream: BinaryIO, size: int) -> bytes:
    parts = [stream.readline(_LONGEST_HEADER)]
    begin, length = stream.tell(), MOST_BYTES // _PARTS
    for number in range(_PARTS):
        stream.seek(begin + (size - length - begin) * number // (_PARTS - 1))
        part = stream.read(length)
        # The first part begins with a whole line; the others begin in the middle of a line.
        whole = part if number == 0 else part[part.find(b"\n") + 1 :]
        parts.append(whole[: whole.rfind(b"\n") + 1])
    return b"".join(parts)


def _files_below(folder: Path) -> Iterator[Path | None]:
    """Yield the files, then None if not all files and folders were looked at."""
    left = MOST_ENTRIES
    frontier = [(folder, 0)]
    while frontier:
        place, depth = frontier.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        yield None
                        return
                    if entry.is_file(follow_symlinks=False):
                        yield Path(entry.path)
                    elif (
                        entry.is_dir(follow_symlinks=False)
                        and depth < _DEEPEST
                        and entry.name not in _NEVER
                    ):
                        frontier.append((Path(entry.path), depth + 1))
        except OSError:
            continue
