"""The sweeps on record in folders of runs."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tmgg.errors import RecordError, UnreadableError
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.readable import is_closed_to_us, reading
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, load_sweep, sweeps_in

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class KnownSweep:
    """A sweep, and where it is."""

    paths: SweepPaths
    record: SweepRecord

    @property
    def runs(self) -> list[RunPaths]:
        """Its runs, in the order of its configs; some may have been removed."""
        return [RunPaths(self.paths.output_dir, run.run_id) for run in self.record.runs]


def read_sweep(paths: SweepPaths) -> SweepRecord | None:
    """Read a sweep's record. None if there is none, or its owner does not share it.

    Raises RecordError for a damaged record, UnreadableError if it cannot be read now.
    """
    with reading(paths.output_dir):
        return _unless_closed(paths, lambda: load_sweep(paths))


def find_sweep(paths: SweepPaths) -> KnownSweep | None:
    """Like `read_sweep`, but also None for a record that cannot be used, or not be read now."""
    try:
        record = read_sweep(paths)
    except RecordError:
        return None
    return None if record is None else KnownSweep(paths, record)


def find_record(paths: SweepPaths) -> SweepRecord | None:
    """The record of the sweep that `find_sweep` finds, or None."""
    found = find_sweep(paths)
    return None if found is None else found.record


def known_sweeps(folders: Iterable[Path]) -> list[KnownSweep]:
    """All sweeps whose records can be used. Raises UnreadableError if a folder cannot be read."""
    return [sweep for folder in folders for sweep in _sweeps_in(folder)]


def readable_sweeps(folder: Path) -> list[KnownSweep]:
    """Like `known_sweeps`, for one folder. Empty if the folder cannot be read now."""
    try:
        return _sweeps_in(folder)
    except UnreadableError:
        return []


def _sweeps_in(folder: Path) -> list[KnownSweep]:
    with reading(folder):
        names = _unless_closed(SweepPaths(folder, "any"), lambda: sweeps_in(folder)) or []
    found = []
    for name in names:
        paths = SweepPaths(folder, name)
        try:
            record = read_sweep(paths)
        except RecordError:
            continue  # damaged, or another user's; its runs can still be found by their ids
        if record is not None:
            found.append(KnownSweep(paths, record))
    return found


def _unless_closed(paths: SweepPaths, read: Callable[[], _Read]) -> _Read | None:
    """What `read` returns; None if another user does not share the folder."""
    try:
        return read()
    except OSError as error:
        places = (paths.output_dir, paths.record.parent)
        if any(is_closed_to_us(error, place) for place in places):
            return None
        raise


def noted_at(path: Path) -> float | None:
    """When this user last wrote the file (Unix time). None if it is another's, or not readable."""
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of runs make a Path's price felt
    except OSError:
        return None
    return found.st_mtime if found.st_uid == os.geteuid() else None
