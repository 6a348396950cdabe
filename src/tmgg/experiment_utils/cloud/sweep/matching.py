"""Finds the runs of a resumed sweep that exist already, and what to tell the user about them.

Runs are found by their identity (see `identity`). Writes nothing.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tmgg.errors import RecordError, RunExistsError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.sweep.choosing import (
    Choice,
    choose,
    identity_of,
    is_certain,
    old_key_of,
    with_keys_of_today,
)
from tmgg.experiment_utils.cloud.sweep.earlier_runs import EarlierRuns, has_failed
from tmgg.experiment_utils.cloud.sweep.earlier_task import may_be_seen_later
from tmgg.experiment_utils.cloud.sweep.near_matches import (
    made_anew,
    may_be_moved_inputs,
    reordered,
    same_config_elsewhere,
)
from tmgg.experiment_utils.cloud.sweep.same_folder import as_on_record, other_folders
from tmgg.experiment_utils.identity.program_code import changed_files, shown_file
from tmgg.experiment_utils.identity.run_identity import (
    Identity,
    counted,
    differences,
    is_same,
    load_identity,
)
from tmgg.experiment_utils.run_folder.attempts import newest_submission, task_of_attempt
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.removed_runs import is_removed
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, load_sweep, old_key, sweeps_in
from tmgg.experiment_utils.some_names import some_of

log = logging.getLogger(__name__)

MOST_LOOKED_AT = 300
"""How many earlier runs, newest first, are compared with the requests that were not recognised."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """What was found for the requests of a sweep."""

    requests: list[TaskRequest]
    """The requests; a recognised one has the id of its earlier run."""
    recognised: frozenset[str] = frozenset()
    """The ids of the earlier runs that were recognised."""
    removed: Sequence[str] = ()
    """Earlier runs that would have been recognised, but whose folders were removed."""
    other_code: Mapping[str, str] = field(default_factory=dict)
    """For earlier runs by another version of the code, by run id: what has changed (file names, for
    display)."""
    reordered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For recognised runs, by run id: mappings in the config whose keys have another order today.
    """
    moved: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For recognised runs, by run id: config values that come from Hydra's folders, have changed,
    and may be inputs."""
    made_anew: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For recognised runs, by run id: config values that differ at each evaluation of their text,
    so that only the text was compared."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """For requests that were not recognised, by run id: another program that made a run with the
    same config, and that does not exist any more."""
    near: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For requests that were not recognised, by run id: how they differ from the most similar
    earlier run."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """For recognised runs whose files are not in the launch's sweep folder: their sweep folder."""
    anew: Mapping[str, str] = field(default_factory=dict)
    """For new runs: the other sweep folder in which a run of the same content did not complete."""
    without_identity: int = 0
    """How many runs of an older TMGG may be the same; their records do not tell."""
    states: Mapping[str, Found] = field(default_factory=dict)
    """The states of the recognised runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """The requests of a resumed sweep, and the states of runs that need not be submitted."""

    requests: list[TaskRequest]
    """The requests; a recognised one has the id of its earlier run."""
    states: Mapping[str, RunState] = field(default_factory=dict)
    """The states of earlier runs that have completed or go on, by run id."""


def match_earlier(
    runs: EarlierRuns,
    base_dir: Path,
    requests: Sequence[TaskRequest],
    recorded: Collection[str],
    *,
    rerun_changed_code: bool,
) -> Matching:
    """Match the requests with the earlier runs of a folder.

    `recorded` are the ids of the runs on record in the folder. Raises RunExistsError if a requested
    run id exists with another content, or, with `rerun_changed_code`, with another version of the
    code.
    """
    requests = [replace(each, identity=identity_of(each)) for each in requests]
    asked = {str(each.run_id): each for each in requests}
    named = {own for own in asked if own in recorded and not is_removed(runs.paths(own))}
    gone = {own for own in asked if own in recorded and own not in named}
    for own in named:
        refuse_other_content(runs.paths(own), asked[own])
    if rerun_changed_code:
        _refuse_other_code(runs, [asked[own] for own in named])
    records = with_keys_of_today(
        _readable(runs.output_dir), [identity_of(each) for each in requests]
    )
    existing = set(recorded) - gone
    chosen = choose(
        runs,
        records,
        [each for own, each in asked.items() if own not in named],
        existing - named,
        base_dir=base_dir,
        rerun_changed_code=rerun_changed_code,
    )
    removed = {**chosen.removed, **{own: own for own in gone if own not in chosen.earlier}}
    existing -= {*removed.values()}
    taken = named | {*chosen.earlier.values()}
    matched = [_matched(runs, each, named, chosen) for each in requests]
    known = [each for each in matched if each.run_id in taken]
    new = [
        each
        for own, each in asked.items()
        if own not in {*named, *chosen.earlier, *chosen.other_code}
    ]
    unlike = [each for each in new if str(each.run_id) not in chosen.anew]
    near, without = _nearest(runs, records, unlike, taken, existing)
    return Matching(
        requests=matched,
        recognised=frozenset(taken),
        removed=sorted(removed.values()),
        other_code=_other_code(runs, known) | _left_out(runs, asked, chosen),
        reordered=_reordered(runs, known),
        moved=_moved(runs, known),
        made_anew=_made_anew(known),
        elsewhere=_elsewhere(runs, records, new, taken, existing),
        near=near,
        folders=other_folders(requests, matched),
        anew={own: each for own, each in chosen.anew.items() if own not in chosen.other_code},
        without_identity=without,
        states=runs.states(sorted(taken)),
    )


def _matched(
    runs: EarlierRuns, request: TaskRequest, named: Collection[str], chosen: Choice
) -> TaskRequest:
    own = str(request.run_id)
    run_id = chosen.earlier.get(own, own)
    known = runs.as_run(run_id) if own in named or own in chosen.earlier else None
    return as_on_record(replace(request, run_id=run_id, is_matched=True), known)


def _other_code(runs: EarlierRuns, known: Sequence[TaskRequest]) -> dict[str, str]:
    return {
        run_id: _changed_code(today, runs.as_run(run_id))
        for each in known
        if not runs.has_code_of(today := identity_of(each), run_id := str(each.run_id))
    }


def _left_out(
    runs: EarlierRuns, asked: Mapping[str, TaskRequest], chosen: Choice
) -> dict[str, str]:
    return {
        run_id: _changed_code(identity_of(asked[own]), runs.as_run(run_id))
        for own, run_id in chosen.other_code.items()
    }


def _changed_code(today: Identity, known: Identity | None) -> str:
    """What differs between today's code and the code that made a run, for display."""
    if known is None or not known.files:
        return f"{today.label}, or by an older TMGG, which noted less of the code"
    changed = changed_files(known.files, today.files)
    return some_of([shown_file(today.root, name) for name in changed]) or today.label


def _refuse_other_code(runs: EarlierRuns, named: Sequence[TaskRequest]) -> None:
    """Raises RunExistsError for runs by other code that would have to run again under the same id.

    The caller chose these ids, so they cannot be replaced by new ones.
    """
    old = sorted(
        str(each.run_id)
        for each in named
        if not runs.has_code_of(identity_of(each), str(each.run_id))
    )
    states = runs.states(old)
    old = [run_id for run_id in old if not has_failed(states[run_id])]
    if old:
        raise RunExistsError(
            f"these runs were made by another version of the code: {', '.join(old)}. Nothing "
            "was submitted. Choose other run ids for them, or leave rerun_changed_code out."
        )


def refuse_other_content(paths: RunPaths, request: TaskRequest) -> None:
    """Raises RunExistsError if the existing run has another content than the request."""
    task = task_of_attempt(newest_submission(paths))
    known, asked = load_identity(task.identity, what=str(paths.task)), identity_of(request)
    if known is None:
        if is_certain(request) and old_key(task.target, task.config) == old_key_of(request):
            return
        what = "another config or program: an older TMGG recorded it, and did not note which"
    elif is_same(known, asked):
        return
    else:
        parts = counted(asked, dict(request.config), with_inputs=known.inputs is not None)
        names = differences(counted(known, task.config), parts)
        what = f"another config or program: it differs in {some_of(names)}"
    raise RunExistsError(
        f"run {paths.run_id!r} exists in {paths.output_dir} with {what}. Nothing was submitted: a "
        "run id can be used again only with the same content. Choose another run id."
    )


def _nearest(
    runs: EarlierRuns,
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    taken: Collection[str],
    existing: Collection[str],
) -> tuple[dict[str, list[str]], int]:
    """How each request differs from the most similar earlier run of its program.

    Also the number of runs of an older TMGG that were not chosen and may be the same.
    """
    if not requests:
        return {}, 0
    programs = {identity_of(request).program for request in requests}
    listed = [run for record in reversed(records) for run in record.runs]
    free = [run for run in listed if run.run_id in existing and run.run_id not in taken]
    old = {run.run_id for run in free if not run.program}
    # Runs that were recognised for another request may be compared, too.
    there = [run for run in listed if run.run_id in existing and run.program in programs]
    names = list(dict.fromkeys(run.run_id for run in there))
    known: dict[str, list[tuple[dict[str, str], bool]]] = {}
    for run_id in names[:MOST_LOOKED_AT]:
        task, found = runs.task(run_id), runs.identity(run_id)
        if task is not None and found is not None:
            parts = counted(found, task.config), found.inputs is not None
            known.setdefault(found.program, []).append(parts)
    near: dict[str, list[str]] = {}
    for request in requests:
        asked = identity_of(request)
        earlier = known.get(asked.program, [])
        ours = {
            with_inputs: counted(asked, dict(request.config), with_inputs=with_inputs)
            for with_inputs in {with_inputs for _parts, with_inputs in earlier}
        }
        candidates = [differences(each, ours[with_inputs]) for each, with_inputs in earlier]
        # A run without differences has the same content; another request has taken it.
        if any(candidates):
            near[str(request.run_id)] = min(filter(None, candidates), key=len)
    return near, len(old)


def _reordered(runs: EarlierRuns, known: Sequence[TaskRequest]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for request in known:
        task = runs.task(str(request.run_id))
        names = [] if task is None else list(reordered(request.config, task.config))
        found |= {str(request.run_id): names} if names else {}
    return found


def _moved(runs: EarlierRuns, known: Sequence[TaskRequest]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for request in known:
        task = runs.task(str(request.run_id))
        if task is not None and identity_of(request).places:
            names = may_be_moved_inputs(identity_of(request), request.config, task.config)
            found |= {str(request.run_id): names} if names else {}
    return found


def _made_anew(known: Sequence[TaskRequest]) -> dict[str, list[str]]:
    found = {str(each.run_id): made_anew(identity_of(each)) for each in known}
    return {run_id: names for run_id, names in found.items() if names}


def _elsewhere(
    runs: EarlierRuns,
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    taken: Collection[str],
    existing: Collection[str],
) -> dict[str, str]:
    """See `Matching.elsewhere`."""
    asked = {str(request.run_id): identity_of(request) for request in requests}
    if not asked:
        return {}
    ours = {identity.program for identity in asked.values()}
    listed = [run for record in reversed(records) for run in record.runs]
    others = [run.run_id for run in listed if run.program not in ours]
    names = dict.fromkeys(run_id for run_id in others if run_id in existing)
    known = []
    for run_id in [name for name in names if name not in taken][:MOST_LOOKED_AT]:
        task, found = runs.task(run_id), runs.identity(run_id)
        if task is not None and found is not None:
            known.append((found, task.config))
    parts = {str(each.run_id): (asked[str(each.run_id)], each.config) for each in requests}
    return same_config_elsewhere(parts, known)


def _readable(output_dir: Path) -> list[SweepRecord]:
    found = []
    for sweep_id in sweeps_in(output_dir):
        try:
            record = load_sweep(SweepPaths(output_dir, sweep_id))
        except (RecordError, OSError) as error:
            if may_be_seen_later(error, SweepPaths(output_dir, sweep_id).record):
                raise
            log.warning("%s; its runs cannot be found by content", error)
            continue
        if record is not None:
            found.append(record)
    return sorted(found, key=lambda record: record.created_at)
