"""The runs that `tmgg-jobs list` shows, each with its status, and what could not be read."""

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tmgg.cli.list_cache import ListCache
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun, read_known_run
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.run_folders import FolderLook, look_into

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.judging.polling import Found


@dataclass(frozen=True, slots=True)
class Listed:
    """What there is to show."""

    found: "list[tuple[KnownRun, Found]]"
    settled: dict[RunPaths, str]
    """More runs, with their status: they ended at a time for which `is_shown` was false."""
    looks: dict[Path, FolderLook]
    """For each folder: the runs in it, and what could not be read."""


def look_at_runs(
    folders: Iterable[Path], *, prefix: str, is_shown: Callable[[float], bool]
) -> Listed:
    """The runs with their states.

    Runs whose end is in the cache, and that have not changed since, are not read again.
    """
    with _no_collection():
        return _look(folders, prefix=prefix, is_shown=is_shown)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Switch the garbage collector off: it takes a fifth of the time, and finds no garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _look(folders: Iterable[Path], *, prefix: str, is_shown: Callable[[float], bool]) -> Listed:
    seen: list[tuple[KnownRun, Found]] = []
    looks: dict[Path, FolderLook] = {}
    settled_before: dict[RunPaths, str] = {}
    new: list[RunPaths] = []
    caches = {folder: ListCache(folder) for folder in dict.fromkeys(folders)}
    for folder, cache in caches.items():
        settled = set()
        for name in cache.names:
            # `ended_at` is None also for a run that was removed: its files cannot be compared.
            ended_at = cache.ended_at(name) if name.startswith(prefix) else None
            if ended_at is None:
                continue
            if not is_shown(ended_at):
                settled_before[RunPaths(folder, name)] = cache.status(name)
            elif (known := cache.shown(name)) is not None:
                seen.append(known)
            else:
                continue
            settled.add(name)
        looks[folder] = look_into(folder, prefix=prefix, without=settled)
        for paths in looks[folder].runs:
            cache.expect(paths.run_id)
            new.append(paths)
    for run, found in _judge(new):
        caches[run.paths.output_dir].learn(run, found)
        seen.append((run, found))
    for folder, cache in caches.items():
        cache.save(all_asked=not prefix and looks[folder].is_whole)
    return Listed(seen, settled_before, looks)


def _judge(new: list[RunPaths]) -> "list[tuple[KnownRun, Found]]":
    if not new:
        return []
    # This imports all runners (a fifth of a second). A list of ended runs does not need them.
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    known = [read_known_run(paths) for paths in new]
    return list(zip(known, Reattached(known).poll_all(), strict=True))
