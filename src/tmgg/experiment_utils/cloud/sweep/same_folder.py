"""Chooses earlier runs for a launch whose sweep folder earlier sweeps also used. Writes nothing.

Runs of that folder come first. If a run is missing there or did not complete, a run of the same
content that completed or goes on in another folder counts, so nothing runs twice. A run that has
completed in no folder is run in the launch's folder.
"""

import functools
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.sweep.earlier_runs import EarlierRuns
from tmgg.experiment_utils.identity.run_identity import Identity
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, SweepRun, match_runs


@dataclass(frozen=True, kw_only=True, slots=True)
class InFolders:
    """What was found for the requests of a launch that name a sweep folder."""

    matched: Mapping[str, str] = field(default_factory=dict)
    """The earlier run of the same content, by the request's run id."""
    anew: Mapping[str, str] = field(default_factory=dict)
    """For requests without an earlier run: the folder in which a run of the same content did not
    complete, by the request's run id."""
    settled: frozenset[str] = frozenset()
    """The requests that need no further search, because an earlier sweep had their folder."""


def sweep_folder_of(known: Identity, asked: str | None) -> str | None:
    """The sweep folder of a recorded run; None if it has none.

    An older TMGG recorded only the job's folder. Then it is `asked`, the launch's sweep folder, if
    the job's folder is inside of that; otherwise the parent of the job's folder.
    """
    if known.sweep_folder or known.folder is None:
        return known.sweep_folder
    folder = Path(os.path.normpath(known.folder))  # normalised as `asked`; Hydra may leave `..`
    if asked is not None and folder.is_relative_to(asked):
        return asked
    return str(folder.parent)


def as_on_record(request: TaskRequest, known: Identity | None) -> TaskRequest:
    """The request with the folders of the earlier run: a run goes on in the folder it began in."""
    own = request.identity
    if known is None or own is None:
        return request
    folder = own.folder if known.folder is None else known.folder
    sweep_folder = sweep_folder_of(known, own.sweep_folder)
    return replace(request, identity=replace(own, folder=folder, sweep_folder=sweep_folder))


def match_in_folders(
    runs: EarlierRuns,
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    existing: Collection[str],
) -> InFolders:
    """Match the requests that name a sweep folder with runs from `existing`.

    `records` are sorted, oldest first.
    """
    by_folder: dict[str, list[TaskRequest]] = {}
    for request in requests:
        if request.identity is not None and request.identity.sweep_folder is not None:
            by_folder.setdefault(request.identity.sweep_folder, []).append(request)
    found = InFolders()
    for folder, group in by_folder.items():
        left = {run_id for run_id in existing if run_id not in set(found.matched.values())}
        search = _Search(runs, folder, group, left)
        if more := search.found_in(records):
            found = InFolders(
                matched={**found.matched, **more.matched},
                anew={**found.anew, **more.anew},
                settled=found.settled | more.settled,
            )
    return found


def other_folders(asked: Sequence[TaskRequest], matched: Sequence[TaskRequest]) -> dict[str, str]:
    """The sweep folders of recognised runs that are not in the launch's folder, by run id."""
    found: dict[str, str] = {}
    for own, request in zip(asked, matched, strict=True):
        if own.identity is None or request.identity is None or own.run_id == request.run_id:
            continue
        home, folder = own.identity.sweep_folder, request.identity.sweep_folder
        if home is not None and folder is not None and not _is_one_folder(folder, home):
            found[str(request.run_id)] = folder
    return found


class _Search:
    """The search for the requests of one sweep folder."""

    def __init__(
        self,
        runs: EarlierRuns,
        folder: str,
        requests: Sequence[TaskRequest],
        existing: Collection[str],
    ) -> None:
        self._runs = runs
        self._folder = folder
        self._keys = {str(each.run_id): each.identity.key for each in requests if each.identity}
        self._existing = existing
        self._is_launchs_folder = functools.cache(functools.partial(_is_one_folder, folder))
        self._folders: dict[str, str] = {}
        """Sweep folders, by run id, of runs whose sweep's record does not name one."""

    def found_in(self, records: Sequence[SweepRecord]) -> InFolders | None:
        """What was found for the requests; None if no earlier sweep had the folder."""
        asked = set(self._keys.values())
        own = [
            replace(record, runs=[run for run in record.runs if self._is_own(run, asked)])
            for record in records
        ]
        if all(run.run_id in self._runs.launched for record in own for run in record.runs):
            return None
        mine = self._newest(own)
        matched = self._of_these(mine, self._runs.states(mine.values()))
        others = self._others(records, {self._keys[each] for each in self._keys.keys() - matched})
        matched |= self._from_others(others, without=matched)
        matched |= {each: run_id for each, run_id in mine.items() if each not in matched}
        anew = {
            each: self._folder_of(others[key][0])
            for each, key in self._keys.items()
            if each not in matched and others.get(key)
        }
        return InFolders(matched=matched, anew=anew, settled=frozenset(self._keys))

    def _newest(self, own: Sequence[SweepRecord]) -> dict[str, str]:
        there = [
            replace(each, runs=[run for run in each.runs if run.run_id in self._existing])
            for each in own
        ]
        pairs = zip(self._keys, match_runs(there, list(self._keys.values())), strict=True)
        return {each: run_id for each, run_id in pairs if run_id is not None}

    def _of_these(
        self, candidates: Mapping[str, str], states: Mapping[str, Found]
    ) -> dict[str, str]:
        return {
            each: run_id for each, run_id in candidates.items() if _rank(states[run_id]) is not None
        }

    def _others(
        self, records: Sequence[SweepRecord], keys: Collection[str]
    ) -> dict[str, list[SweepRun]]:
        """Runs of other folders by the key of their content, newest first."""
        found: dict[str, dict[str, SweepRun]] = {}
        for record in reversed(records):
            for run in record.runs:
                if run.key in keys and run.run_id in self._existing and not self._is_own(run, keys):
                    found.setdefault(run.key, {}).setdefault(run.run_id, run)
        return {key: list(runs.values()) for key, runs in found.items()}

    def _from_others(
        self, others: Mapping[str, Sequence[SweepRun]], *, without: Collection[str]
    ) -> dict[str, str]:
        """The run chosen for each request: completed ones first, then those that go on."""
        states = self._runs.states(run.run_id for runs in others.values() for run in runs)
        good = {
            key: sorted(
                (run.run_id for run in runs if _rank(states[run.run_id]) is not None),
                key=lambda run_id: _rank(states[run_id]) or 0,
            )
            for key, runs in others.items()
        }
        chosen: dict[str, str] = {}
        for each, key in self._keys.items():
            if each not in without and good.get(key):
                chosen[each] = good[key].pop(0)
        return chosen

    def _is_own(self, run: SweepRun, asked: Collection[str]) -> bool:
        if not run.sweep_folder and run.key not in asked:
            return False  # its record would have to be read
        return self._is_launchs_folder(self._folder_of(run))

    def _folder_of(self, run: SweepRun) -> str:
        """The run's sweep folder; empty if no record names it."""
        if run.sweep_folder:
            return run.sweep_folder
        if run.run_id not in self._folders:
            self._folders[run.run_id] = self._folder_on_record(run.run_id) or ""
        return self._folders[run.run_id]

    def _folder_on_record(self, run_id: str) -> str | None:
        is_there = run_id in self._existing
        known = self._runs.identity(run_id) if is_there else None
        return None if known is None else sweep_folder_of(known, self._folder)


def _is_one_folder(one: str, other: str) -> bool:
    """Whether two absolute names mean the same folder; one may contain a symbolic link."""
    return one == other or (bool(other) and os.path.realpath(one) == os.path.realpath(other))


def _rank(state: Found) -> int | None:
    """The order of preference, lowest first; None for a run that would be submitted again."""
    if not isinstance(state, RunState):
        return None
    if state.final:
        return 0 if state.status == "completed" else None
    return 1
