"""Chooses for each request of a resumed sweep the earlier run of the same content. Writes nothing.

Some earlier runs do not count and are never chosen: removed runs, and, with `rerun_changed_code`,
runs by another version of the code that have completed or go on. Failed runs always count: they are
submitted again, with today's code.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tmgg.errors import TmggError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.sweep.earlier_runs import EarlierRuns, has_failed
from tmgg.experiment_utils.cloud.sweep.earlier_task import may_be_seen_later
from tmgg.experiment_utils.cloud.sweep.same_folder import match_in_folders
from tmgg.experiment_utils.identity.run_identity import Identity, identity_of_task
from tmgg.experiment_utils.run_folder.attempts import newest_submission, read_payload, record_of
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.removed_runs import is_removed
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, match_runs, old_key
from tmgg.experiment_utils.run_folder.task import target_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What was chosen for the requests. The keys of all mappings are run ids of requests."""

    earlier: Mapping[str, str] = field(default_factory=dict)
    """The earlier run with the same content."""
    anew: Mapping[str, str] = field(default_factory=dict)
    """See `same_folder.InFolders`."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """For requests without an earlier run that counts: one whose folder was removed."""
    other_code: Mapping[str, str] = field(default_factory=dict)
    """For requests without an earlier run that counts: one by another version of the code."""


def identity_of(request: TaskRequest) -> Identity:
    """The identity of a checked request."""
    if request.identity is not None:
        return request.identity
    target = request.target or target_of(request.config)
    return identity_of_task(target, dict(request.config), request.payload)


def with_keys_of_today(
    records: Sequence[SweepRecord], asked: Iterable[Identity]
) -> list[SweepRecord]:
    """The records, in which runs without known inputs have the keys of the same runs today."""
    today = {each.key_without_inputs: each.key for each in reversed([*asked])}
    return [
        replace(
            record,
            runs=[replace(run, key=today.get(run.key, run.key)) for run in record.runs],
        )
        for record in records
    ]


def choose(
    runs: EarlierRuns,
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    free: Collection[str],
    *,
    base_dir: Path,
    rerun_changed_code: bool,
) -> Choice:
    """Choose earlier runs for the requests, from `free`. `records` are sorted, oldest first."""
    asked = {str(each.run_id): identity_of(each) for each in requests}
    free, removed, other_code = set(free), dict[str, str](), dict[str, str]()
    while True:
        earlier, anew = _choose_of(runs, records, requests, free, base_dir)
        gone = {own: each for own, each in earlier.items() if is_removed(runs.paths(each))}
        old: dict[str, str] = {}
        if rerun_changed_code:
            there = {own: each for own, each in earlier.items() if own not in gone}
            old = _of_other_code(runs, asked, there)
        if not gone and not old:
            break
        removed, other_code = gone | removed, old | other_code
        free -= {*gone.values(), *old.values()}
    return Choice(
        earlier=earlier,
        anew=anew,
        removed={own: each for own, each in removed.items() if own not in earlier},
        other_code={own: each for own, each in other_code.items() if own not in earlier},
    )


def _choose_of(
    runs: EarlierRuns,
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    free: Collection[str],
    base_dir: Path,
) -> tuple[dict[str, str], Mapping[str, str]]:
    with_program = [_with_runs(record, with_program=True) for record in records]
    found = match_in_folders(runs, with_program, requests, free)
    earlier = dict(found.matched)
    left = set(free) - set(earlier.values())
    others = [each for each in requests if str(each.run_id) not in found.settled]
    earlier |= _by_key([_with_runs(each, among=left) for each in with_program], others)
    left -= set(earlier.values())
    without = [each for each in requests if str(each.run_id) not in earlier]
    old = [_with_runs(record, with_program=False, among=left) for record in records]
    return earlier | _by_old_key(old, without, runs, base_dir), found.anew


def _of_other_code(
    runs: EarlierRuns, asked: Mapping[str, Identity], earlier: Mapping[str, str]
) -> dict[str, str]:
    """The earlier runs by another version of the code that have completed or go on."""
    old = {own: each for own, each in earlier.items() if not runs.has_code_of(asked[own], each)}
    states = runs.states(old.values())
    return {own: each for own, each in old.items() if not has_failed(states[each])}


def _by_key(records: Sequence[SweepRecord], requests: Sequence[TaskRequest]) -> dict[str, str]:
    keys = [identity_of(request).key for request in requests]
    return _paired(requests, match_runs(records, keys))


def _by_old_key(
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    runs: EarlierRuns,
    base_dir: Path,
) -> dict[str, str]:
    """Matches with runs of an older TMGG, if target and config certainly define the content."""
    requests = [request for request in requests if is_certain(request)]
    keys = [old_key_of(request) for request in requests]
    found = _paired(requests, match_runs(records, keys))
    return {own: each for own, each in found.items() if _is_plain(runs.paths(each), base_dir)}


def is_certain(request: TaskRequest) -> bool:
    """Whether only the target and the config define the request's content."""
    return request.payload is None and not identity_of(request).surroundings


def old_key_of(request: TaskRequest) -> str:
    """See `sweeps.old_key`."""
    return old_key(request.target or target_of(request.config), dict(request.config))


def _is_plain(paths: RunPaths, base_dir: Path) -> bool:
    """Whether the run had no payload, and the same working directory as this launch."""
    submission = newest_submission(paths)
    try:
        return read_payload(submission) is None and record_of(submission).base_dir == str(base_dir)
    except (TmggError, OSError) as error:
        if may_be_seen_later(error, paths.folder):
            raise
        return False


def _with_runs(
    record: SweepRecord, *, with_program: bool = True, among: Collection[str] | None = None
) -> SweepRecord:
    kept = [
        run
        for run in record.runs
        if bool(run.program) is with_program and (among is None or run.run_id in among)
    ]
    return replace(record, runs=kept)


def _paired(requests: Sequence[TaskRequest], matched: Sequence[str | None]) -> dict[str, str]:
    pairs = zip(requests, matched, strict=True)
    return {str(request.run_id): run_id for request, run_id in pairs if run_id is not None}
