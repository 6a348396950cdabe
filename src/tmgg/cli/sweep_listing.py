"""The sweeps that `tmgg-jobs list` shows: one line each, computed from all its runs."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tmgg.cli.best_values import BestValues
from tmgg.cli.known_sweeps import find_record, readable_sweeps
from tmgg.console.overrides import parse_title, short_names, varying
from tmgg.console.ranking import Ranking
from tmgg.errors import ConfigError
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.registry import is_recorded
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, sweep_paths_of

Statuses = dict[RunPaths, str]
"""The status of each run, in a word."""


@dataclass(slots=True)
class ListedSweep:
    """A sweep and how its runs stand."""

    paths: SweepPaths
    record: SweepRecord | None
    """None if there is no record, or it cannot be read."""
    runs: Statuses = field(default_factory=dict)
    removed: int = 0
    """How many runs are not on record any more."""

    @property
    def name(self) -> str:
        return self.record.name if self.record else ""

    @property
    def created_at(self) -> float:
        """Unix time from the record; without one from the id, in this machine's time zone."""
        if self.record is not None:
            return self.record.created_at
        date_and_time = self.paths.sweep_id[: len("20261123-141503")]
        try:
            return time.mktime(time.strptime(date_and_time, "%Y%m%d-%H%M%S"))
        except (ValueError, OverflowError):  # it only looks like a date
            return time.time()

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.runs.values()) + Counter(removed=self.removed)

    @property
    def overrides(self) -> list[str]:
        """The short names of the overrides that vary in the sweep."""
        titles = [] if self.record is None else [run.title for run in self.record.runs]
        parsed = [each for title in titles if (each := parse_title(title)) is not None]
        keys = varying(parsed) if len(parsed) == len(titles) else []
        names = short_names(keys)
        return [names[key] for key in keys]

    @property
    def ranking(self) -> Ranking:
        """The metric that decides which run is the best."""
        return ranking_of(self.record)

    def best(self, values: BestValues) -> float | None:
        completed = [paths for paths, status in self.runs.items() if status == "completed"]
        return values.best(completed, self.ranking) if completed else None


def ranking_of(record: SweepRecord | None) -> Ranking:
    """The ranking that was chosen for a sweep, or the default."""
    if record is None:
        return Ranking()
    with contextlib.suppress(ConfigError):
        return Ranking(record.metric or None, "max" if record.metric_mode == "max" else "min")
    return Ranking()


def group_by_sweep(
    shown: Iterable[RunPaths], statuses: Statuses
) -> tuple[list[ListedSweep], list[RunPaths]]:
    """The sweeps of the runs that are to be shown, with all their runs; and runs of no sweep."""
    wanted = list(shown)
    sweeps = {sweep.paths: sweep for sweep in _sweeps_of(wanted)}
    members: set[RunPaths] = set()
    for sweep in sweeps.values():
        for run in sweep.record.runs if sweep.record else []:
            paths = RunPaths(sweep.paths.output_dir, run.run_id)
            if paths in statuses:
                sweep.runs[paths] = statuses[paths]
                members.add(paths)
            else:
                sweep.removed += _is_gone(paths)
    for paths, status in statuses.items():
        if paths in members:
            continue
        if (key := sweep_paths_of(paths)) in sweeps:
            sweeps[key].runs[paths] = status
            members.add(paths)
    is_wanted = {*wanted}
    found = [sweep for sweep in sweeps.values() if not is_wanted.isdisjoint(sweep.runs)]
    return found, [paths for paths in wanted if paths not in members]


def _sweeps_of(runs: Sequence[RunPaths]) -> list[ListedSweep]:
    found: dict[SweepPaths, ListedSweep] = {}
    unnamed: set[Path] = set()
    for paths in runs:
        key = sweep_paths_of(paths)
        if key is None:
            unnamed.add(paths.output_dir)
        elif key not in found:
            found[key] = ListedSweep(key, find_record(key))
    for folder in unnamed:
        # If the folder cannot be read, the command has already said so when it looked for runs.
        for sweep in readable_sweeps(folder):
            found.setdefault(sweep.paths, ListedSweep(sweep.paths, sweep.record))
    return list(found.values())


def _is_gone(paths: RunPaths) -> bool:
    try:
        return not is_recorded(paths)
    except OSError:
        return False  # the search in the folder has reported the problem
