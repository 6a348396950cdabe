"""A resumed sweep: which of its runs are there already, and what to say about it beforehand.

Runs are found by what they are (see `identity`). Nothing is written here.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tmgg.errors import RecordError, RunError, RunExistsError, TmggError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.sweep.earlier_task import (
    identity_on_record,
    may_be_seen_later,
    task_on_record,
)
from tmgg.experiment_utils.cloud.sweep.near_matches import (
    may_be_moved_inputs,
    same_config_elsewhere,
)
from tmgg.experiment_utils.cloud.sweep.same_folder import (
    StatesOf,
    as_on_record,
    match_in_folders,
    other_folders,
)
from tmgg.experiment_utils.identity.program_code import changed_files, shown_file
from tmgg.experiment_utils.identity.run_identity import (
    Identity,
    counted,
    differences,
    has_same_code,
    identity_of_task,
    load_identity,
)
from tmgg.experiment_utils.run_folder.attempts import (
    newest_submission,
    read_payload,
    record_of,
    task_of_attempt,
)
from tmgg.experiment_utils.run_folder.evidence import read_result
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.sweeps import (
    SweepRecord,
    load_sweep,
    match_runs,
    old_key,
    sweeps_in,
)
from tmgg.experiment_utils.run_folder.task import TaskInput, target_of
from tmgg.experiment_utils.some_names import some_of

log = logging.getLogger(__name__)

MOST_LOOKED_AT = 300
"""Earlier runs that those which were not recognised are compared with, newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """What was found for the requests of a sweep."""

    requests: list[TaskRequest]
    """With the ids of the earlier runs, where there are some."""
    recognised: frozenset[str] = frozenset()
    """The ids of earlier runs among them."""
    removed: Sequence[str] = ()
    """Earlier runs that would have been recognised, and whose folders somebody removed."""
    other_code: Mapping[str, str] = field(default_factory=dict)
    """What has changed (files, for people) for those that another version of the code made, by run
    id."""
    moved: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Values of recognised runs that are places of Hydra's, are others today, and may be inputs."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """For those that are not recognised: another program that is not there any more, and that made
    a run of the same config."""
    near: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """In what those that were not recognised differ from the nearest earlier run, by run id."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """The sweep folder of recognised runs whose files are not in the one of the launch."""
    anew: Mapping[str, str] = field(default_factory=dict)
    """For new runs: the other sweep folder where one of the same content did not complete."""
    without_identity: int = 0
    """Runs of an older TMGG that might be the same; their records do not tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """The requests of a resumed sweep, and what of it need not be submitted."""

    requests: list[TaskRequest]
    """With the ids of the earlier runs, where there are some."""
    states: Mapping[str, RunState] = field(default_factory=dict)
    """Of those that have completed or go on, by run id."""


def identity_of(request: TaskRequest) -> Identity:
    """The identity of a checked request."""
    if request.identity is not None:
        return request.identity
    target = request.target or target_of(request.config)
    return identity_of_task(target, dict(request.config), request.payload)


def match_earlier(
    output_dir: Path,
    base_dir: Path,
    requests: Sequence[TaskRequest],
    existing: Collection[str],
    states_of: StatesOf,
) -> Matching:
    """The requests with the runs of a folder that they are.

    `existing` are the runs that the folder has; `states_of` says how some of them stand. Raises
    RunExistsError for a run id that is there with another content.
    """
    requests = [replace(each, identity=identity_of(each)) for each in requests]
    named = [request for request in requests if request.run_id in existing]
    for request in named:
        refuse_other_content(RunPaths(output_dir, str(request.run_id)), request)
    unnamed = [request for request in requests if request.run_id not in existing]
    records = _readable(output_dir)
    taken = {str(request.run_id) for request in named}
    earlier: dict[str, str] = {}
    with_program = [_with_runs(record, with_program=True) for record in records]
    free = set(existing) - taken
    in_folders = match_in_folders(output_dir, with_program, unnamed, free, states_of)
    others = [each for each in unnamed if str(each.run_id) not in in_folders.settled]
    for found in (
        in_folders.matched,
        _by_key(with_program, others),
        _by_old_key(records, others, output_dir, base_dir),
    ):
        for run_id, match in found.items():
            if run_id not in earlier and match in existing and match not in taken:
                earlier[run_id] = match
                taken.add(match)
    matched = [
        replace(each, run_id=earlier.get(str(each.run_id), each.run_id), is_matched=True)
        for each in requests
    ]
    new = [each for each in unnamed if each.run_id not in earlier]
    on_record = _on_record(output_dir, taken)
    matched = [as_on_record(each, on_record.get(str(each.run_id))) for each in matched]
    other_code = {
        run_id: _changed_code(asked, on_record[run_id])
        for each in matched
        if (run_id := str(each.run_id)) in on_record
        and not _is_same_code(asked := identity_of(each), on_record[run_id])
    }
    unlike = [each for each in new if str(each.run_id) not in in_folders.anew]
    near, without = _nearest(output_dir, records, unlike, taken, existing)
    return Matching(
        requests=matched,
        recognised=frozenset(taken),
        other_code=other_code,
        moved=_moved(output_dir, [each for each in matched if str(each.run_id) in on_record]),
        elsewhere=_elsewhere(output_dir, records, new, taken, existing),
        near=near,
        folders=other_folders(requests, matched),
        anew=in_folders.anew,
        without_identity=without,
    )


def _is_same_code(asked: Identity, known: Identity | None) -> bool:
    return asked.source is None if known is None else has_same_code(asked, known)


def _changed_code(today: Identity, known: Identity | None) -> str:
    """What another version than today's made a run, for people."""
    if known is None or not known.files:
        return f"{today.label}, or by an older TMGG, which noted less of the code"
    changed = changed_files(known.files, today.files)
    return some_of([shown_file(today.root, name) for name in changed]) or today.label


def refuse_other_content(paths: RunPaths, request: TaskRequest) -> None:
    """Raises RunExistsError when the run that is there is another one than what is asked for."""
    task = task_of_attempt(newest_submission(paths))
    known, asked = _identity_on_record(task, paths), identity_of(request)
    if known is None:
        if _is_certain(request) and old_key(task.target, task.config) == _old_key_of(request):
            return
        what = "another config or program: an older TMGG recorded it, and did not note which"
    elif known.key == asked.key:
        return
    else:
        names = differences(counted(known, task.config), counted(asked, dict(request.config)))
        what = f"another config or program: it differs in {some_of(names)}"
    raise RunExistsError(
        f"run {paths.run_id!r} exists in {paths.output_dir} with {what}. Nothing was submitted: a "
        "run id can be used again only with the same content. Choose another run id."
    )


def without_changed_code(
    matching: Matching, asked: Sequence[TaskRequest], states: Mapping[str, Found]
) -> Matching:
    """Runs that another version of the code completed, or runs, become new runs, as asked.

    One that failed is submitted again, with today's code, anyway. Raises RunExistsError for a run
    whose id the caller chose.
    """
    again = {run_id for run_id in matching.other_code if not has_failed(states.get(run_id))}
    pairs = list(zip(matching.requests, asked, strict=True))
    chosen = sorted(str(each.run_id) for each, own in pairs if each.run_id in again & {own.run_id})
    if chosen:
        raise RunExistsError(
            f"these runs were made by another version of the code: {', '.join(chosen)}. Nothing "
            "was submitted. Choose other run ids for them, or leave rerun_changed_code out."
        )
    # As asked for: a new run has the folder of this launch.
    requests = [
        replace(own, is_matched=True) if each.run_id in again else each for each, own in pairs
    ]
    return replace(matching, requests=requests, recognised=matching.recognised - again)


def _by_key(records: Sequence[SweepRecord], requests: Sequence[TaskRequest]) -> dict[str, str]:
    keys = [identity_of(request).key for request in requests]
    return _paired(requests, match_runs(records, keys))


def _by_old_key(
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    output_dir: Path,
    base_dir: Path,
) -> dict[str, str]:
    """Runs of an older TMGG of which target and config are certain to be everything."""
    requests = [request for request in requests if _is_certain(request)]
    known = [_with_runs(record, with_program=False) for record in records]
    keys = [_old_key_of(request) for request in requests]
    found = _paired(requests, match_runs(known, keys))
    return {
        run_id: match
        for run_id, match in found.items()
        if _is_plain(RunPaths(output_dir, match), base_dir)
    }


def _is_certain(request: TaskRequest) -> bool:
    return request.payload is None and not identity_of(request).surroundings


def _is_plain(paths: RunPaths, base_dir: Path) -> bool:
    """Whether nothing travelled beside the task, and its module was looked for where ours is."""
    submission = newest_submission(paths)
    try:
        return read_payload(submission) is None and record_of(submission).base_dir == str(base_dir)
    except (TmggError, OSError) as error:
        if may_be_seen_later(error, paths.folder):
            raise
        return False


def _old_key_of(request: TaskRequest) -> str:
    return old_key(request.target or target_of(request.config), dict(request.config))


def _with_runs(record: SweepRecord, *, with_program: bool) -> SweepRecord:
    return replace(record, runs=[run for run in record.runs if bool(run.program) is with_program])


def _paired(requests: Sequence[TaskRequest], matched: Sequence[str | None]) -> dict[str, str]:
    pairs = zip(requests, matched, strict=True)
    return {str(request.run_id): run_id for request, run_id in pairs if run_id is not None}


def _on_record(output_dir: Path, run_ids: Collection[str]) -> dict[str, Identity | None]:
    """What the newest attempt of each was; None where its record does not tell.

    With the code that the job had: its files may have been edited after the submission.
    """
    found: dict[str, Identity | None] = {}
    for run_id in run_ids:
        known = identity_on_record(output_dir, run_id)
        if known is not None and (edited := _edited(RunPaths(output_dir, run_id))):
            known = replace(known, files=known.files | edited)
        found[run_id] = known
    return found


def _edited(paths: RunPaths) -> dict[str, str]:
    """See `TaskOutput.changed_code`; empty where there is no result of this run."""
    try:
        output, _problem = read_result(SubmissionFiles(newest_submission(paths)))
    except (TmggError, OSError) as error:
        if may_be_seen_later(error, paths.folder):
            raise
        return {}
    return {} if output is None else output.changed_code


def _nearest(
    output_dir: Path,
    records: Sequence[SweepRecord],
    requests: Sequence[TaskRequest],
    taken: Collection[str],
    existing: Collection[str],
) -> tuple[dict[str, list[str]], int]:
    """In what each differs from the earlier run of its program that is most like it.

    Also how many runs of an older TMGG there are that nobody took and that may be the same.
    """
    if not requests:
        return {}, 0
    programs = {identity_of(request).program for request in requests}
    runs = [run for record in reversed(records) for run in record.runs]
    free = [run for run in runs if run.run_id in existing and run.run_id not in taken]
    old = {run.run_id for run in free if not run.program}
    # Those that were recognised are as good to compare with as any.
    there = [run for run in runs if run.run_id in existing and run.program in programs]
    names = list(dict.fromkeys(run.run_id for run in there))
    known: dict[str, list[dict[str, str]]] = {}
    for run_id in names[:MOST_LOOKED_AT]:
        task = task_on_record(output_dir, run_id)
        found = None if task is None else load_identity(task.identity, what=run_id)
        if task is not None and found is not None:
            known.setdefault(found.program, []).append(counted(found, task.config))
    near: dict[str, list[str]] = {}
    for request in requests:
        asked = identity_of(request)
        parts = counted(asked, dict(request.config))
        candidates = [differences(each, parts) for each in known.get(asked.program, [])]
        # None of a run of the same content, which another request has.
        if any(candidates):
            near[str(request.run_id)] = min(filter(None, candidates), key=len)
    return near, len(old)


def _moved(output_dir: Path, matched: Sequence[TaskRequest]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for request in matched:
        task = task_on_record(output_dir, str(request.run_id))
        if task is not None and identity_of(request).places:
            names = may_be_moved_inputs(identity_of(request), request.config, task.config)
            found |= {str(request.run_id): names} if names else {}
    return found


def _elsewhere(
    output_dir: Path,
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
    runs = [run for record in reversed(records) for run in record.runs if run.program not in ours]
    names = dict.fromkeys(run.run_id for run in runs if run.run_id in existing)
    known = []
    for run_id in [name for name in names if name not in taken][:MOST_LOOKED_AT]:
        task = task_on_record(output_dir, run_id)
        found = None if task is None else load_identity(task.identity, what=run_id)
        if task is not None and found is not None:
            known.append((found, task.config))
    parts = {str(each.run_id): (asked[str(each.run_id)], each.config) for each in requests}
    return same_config_elsewhere(parts, known)


def _identity_on_record(task: TaskInput, paths: RunPaths) -> Identity | None:
    return load_identity(task.identity, what=str(paths.task))


def has_failed(state: Found | None) -> bool:
    """Whether it ended without success, as far as is known."""
    if state is None or isinstance(state, RunError):
        return False
    return state.final and state.status == "failed"


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
