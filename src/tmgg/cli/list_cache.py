"""Caches what `tmgg-jobs list` read of runs that ended, so that it need not read them each time.

It is only for display: no decision depends on it. An entry counts while the run's folder, record
and verdict are still the files that were read (same inode and change time), so a retry, a `gc` or
an edit is noticed.
The cache belongs to the user and is closed to others. If it is not, or if it is damaged, it is
ignored.
"""

import contextlib
import hashlib
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmgg import __version__
from tmgg.cli.remembered import read_remembered, remember
from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.run_folder.known_folders import home_folder
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.judging.polling import Found

_FORMAT = 2
_WHERE = ("run_id", "output_dir")
_STATE = tuple(item.name for item in fields(RunState) if item.name not in (*_WHERE, "failure"))
_RECORD = ("backend", "created_at", "user", "host", "tmgg_version")
_Mark = list[int]
"""Inode and change time of the run's folder, of its verdict, and of its record, if it has one."""
_Entry = list[Any]
"""Submission number, mark, time of the end, fields of the record and the state, the failure."""


class ListCache:
    """The cache for one folder of runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
        self._file = home_folder() / "list" / f"{name}.json"
        self._entries = self._read()
        self._names = set(self._entries)
        self._kept: dict[str, _Entry] = {}
        self._before: dict[str, tuple[int, int]] = {}
        self._changed = False

    @property
    def names(self) -> list[str]:
        """The ids of the runs in the cache."""
        return list(self._entries)

    def ended_at(self, run_id: str) -> float | None:
        """When the run ended (Unix time). None if it is not in the cache, or has changed since."""
        entry = self._entries.get(run_id)
        try:
            if entry is None:
                return None
            if entry[1] != _mark(self._folder, run_id, entry[0]):
                raise ValueError("not as it was")
            ended_at = float(entry[2])
        except (LookupError, TypeError, ValueError, OSError):
            self._entries.pop(run_id, None)
            return None
        self._kept[run_id] = entry
        return ended_at

    def shown(self, run_id: str) -> "tuple[KnownRun, Found] | None":
        """The run and its state. Ask `ended_at` first: it says whether the entry still holds."""
        try:
            return _parse(RunPaths(self._folder, run_id), self._kept[run_id])
        except (LookupError, TypeError, ValueError):
            return None

    def status(self, run_id: str) -> str:
        """How the run ended. Ask `ended_at` first: it says whether the entry still holds."""
        try:
            return str(self._kept[run_id][4][_STATE.index("status")])
        except (LookupError, TypeError):
            return ""

    def expect(self, run_id: str) -> None:
        """Note the run's folder and newest submission before it is read; `learn` compares them."""
        with contextlib.suppress(OSError):
            self._before[run_id] = _identity(RunPaths(self._folder, run_id))

    def learn(self, run: KnownRun, found: "Found") -> None:
        """Keep a run whose end is on record, if it has not changed since `expect`."""
        if isinstance(run.record, RunError) or isinstance(found, RunError) or not found.final:
            return
        with contextlib.suppress(OSError):
            inode, number = identity = _identity(run.paths)
            mark = _mark(self._folder, run.run_id, number)
            ended_at = run.paths.submission(number).verdict.stat().st_mtime
            if identity == self._before.get(run.run_id) and mark[0] == inode:
                self._kept[run.run_id] = _render(number, mark, ended_at, run.record, found)
                self._changed = True

    def save(self, *, all_asked: bool) -> None:
        """Write the cache. If this fails (a full disk, a read-only home), it only costs time later.

        `all_asked`: `ended_at` was called for every entry, so entries that changed are dropped.
        """
        runs = self._kept if all_asked else self._entries | self._kept
        if runs.keys() == self._names and not self._changed:
            return
        value = {"format": _FORMAT, "tmgg": __version__, "folder": str(self._folder)}
        remember(self._file, {**value, "runs": runs})

    def _read(self) -> dict[str, _Entry]:
        value = read_remembered(self._file)
        try:
            known = (value["format"], value["tmgg"], value["folder"])
            entries = value["runs"]
        except (LookupError, TypeError):
            return {}
        fits = known == (_FORMAT, __version__, str(self._folder)) and isinstance(entries, dict)
        return entries if fits else {}


def _identity(paths: RunPaths) -> tuple[int, int]:
    """The inode of the run's folder, and the number of its newest submission."""
    return paths.folder.stat().st_ino, max(paths.submission_numbers(), default=1)


def _mark(folder: Path, run_id: str, number: int) -> _Mark:
    # Strings, not Path objects, which are slow for ten thousand runs.
    run = os.stat(f"{folder}/{run_id}")  # noqa: PTH116
    verdict = os.stat(f"{folder}/{run_id}/{number}/verdict.json")  # noqa: PTH116
    mark = [run.st_ino, run.st_ctime_ns, verdict.st_ino, verdict.st_ctime_ns]
    with contextlib.suppress(FileNotFoundError):  # the record may be in the run's batch
        record = os.stat(f"{folder}/{run_id}/{RunPaths.RECORD_NAME}")  # noqa: PTH116
        mark += [record.st_ino, record.st_ctime_ns]
    return mark


def _render(
    number: int, mark: _Mark, ended_at: float, record: RunRecord, state: RunState
) -> _Entry:
    return [
        number,
        mark,
        ended_at,
        [getattr(record, name) for name in _RECORD],
        [getattr(state, name) for name in _STATE],
        None if state.failure is None else asdict(state.failure),
    ]


def _parse(paths: RunPaths, entry: _Entry) -> "tuple[KnownRun, Found]":
    _number, _seen, _ended_at, record, state, why = entry
    known = RunRecord(
        run_id=paths.run_id,
        base_dir="",
        settings={},
        **dict(zip(_RECORD, record, strict=True)),
    )
    found = RunState(
        run_id=paths.run_id,
        output_dir=paths.output_dir,
        **dict(zip(_STATE, state, strict=True)),
        failure=None if why is None else Failure(**why),
    )
    return KnownRun(paths, known), found
