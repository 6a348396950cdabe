"""One look at all sweeps and runs, with at most one question to the scheduler."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tmgg.cli.listing import look_at_runs
from tmgg.cli.run_json import created_at, status_of
from tmgg.cli.selection import folders_to_search, titles_of
from tmgg.cli.sweep_listing import ListedSweep, group_by_sweep
from tmgg.cli.unseen import render_unseen
from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import decided_at

RECENT_S = 86400.0


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run and how it stands."""

    known: KnownRun
    found: Found

    @property
    def key(self) -> str:
        return str(self.known.paths.folder)

    @property
    def run_id(self) -> str:
        return self.known.run_id

    @property
    def state(self) -> RunState | None:
        """None for a record that cannot be used."""
        return None if isinstance(self.found, RunError) else self.found

    @property
    def is_open(self) -> bool:
        return self.state is not None and not self.state.final

    @property
    def has_failed(self) -> bool:
        return self.state is not None and self.state.final and self.state.status == "failed"


@dataclass(frozen=True)
class ShownGroup:
    """A sweep and its runs, or all runs that belong to none."""

    key: str
    listed: ListedSweep | None
    runs: list[ShownRun]

    @cached_property
    def titles(self) -> dict[RunPaths, str]:
        """The titles of its runs; empty for runs without a sweep."""
        if self.listed is None:
            return {}
        return titles_of(self._known)

    @property
    def _known(self) -> list[KnownRun]:
        return [run.known for run in self.runs]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one look saw."""

    groups: list[ShownGroup] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be seen."""

    def group(self, key: str) -> ShownGroup | None:
        return next((group for group in self.groups if group.key == key), None)

    def run(self, key: str) -> ShownRun | None:
        runs = (run for group in self.groups for run in group.runs)
        return next((run for run in runs if run.key == key), None)


@dataclass(frozen=True)
class Looker:
    """Looks at the folders; blocks while the scheduler answers."""

    folders: Sequence[Path] | None = None
    show_old: bool = False

    def look(self) -> Snapshot:
        """Raises TmggError or OSError if nothing can be read."""
        found = look_at_runs(
            folders_to_search(self.folders), prefix="", is_shown=lambda _ended_at: True
        )
        runs = {run.paths: ShownRun(run, state) for run, state in found.found}
        wanted = [paths for paths, run in runs.items() if self.show_old or _is_recent(run)]
        statuses = {paths: status_of(run.found) for paths, run in runs.items()}
        sweeps, alone = group_by_sweep(wanted, statuses)
        sweeps.sort(key=lambda sweep: sweep.created_at, reverse=True)
        groups = [_group_of(sweep, runs) for sweep in sweeps]
        if alone:
            others = sorted((runs[paths] for paths in alone), key=lambda run: created_at(run.known))
            groups.append(ShownGroup(key="", listed=None, runs=others[::-1]))
        return Snapshot(groups, list(render_unseen(found.looks)))


def _group_of(sweep: ListedSweep, runs: dict[RunPaths, ShownRun]) -> ShownGroup:
    key = f"{sweep.paths.output_dir}/{sweep.paths.sweep_id}"
    return ShownGroup(key, sweep, [runs[paths] for paths in sweep.runs])


def _is_recent(run: ShownRun) -> bool:
    if run.state is None or not run.state.final:
        return True
    ended = decided_at(run.known.paths)
    return ended is None or ended > time.time() - RECENT_S
