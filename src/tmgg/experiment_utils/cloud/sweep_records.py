"""Sweeps on record: noting one before it is submitted, and finding its runs again by content."""

import contextlib
import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tmgg.errors import RecordError, RunExistsError, SubmissionError
from tmgg.experiment_utils.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.batch_index import batched_runs, withdraw_batch
from tmgg.experiment_utils.batches import BatchedTask, BatchRecord, create_batch
from tmgg.experiment_utils.cloud.judging import save_batch_refusal
from tmgg.experiment_utils.cloud.recording import recording_batch
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.sweeping import SweepPlan
from tmgg.experiment_utils.failures import Failure
from tmgg.experiment_utils.paths import BatchPaths, RunPaths, SweepPaths
from tmgg.experiment_utils.registry import (
    RunRecord,
    is_recorded,
    load_intent,
    load_task,
    new_intent,
    remember_folder,
)
from tmgg.experiment_utils.sweeps import (
    SweepRecord,
    SweepRun,
    content_key,
    load_sweep,
    match_runs,
    save_sweep,
    sweeps_in,
)
from tmgg.experiment_utils.task import TaskInput, target_of

log = logging.getLogger(__name__)


def note_sweep(
    output_dir: Path,
    record: RunRecord,
    plan: SweepPlan,
    tasks: Sequence[tuple[TaskInput, bytes | None]],
) -> None:
    """Write the sweep's record, and the tasks of its new runs with what travels beside them.

    Raises SubmissionError when they cannot be written, RunExistsError when another process notes
    the same sweep.
    """
    remember_folder(output_dir)
    runs = [
        SweepRun(run_id=str(request.run_id), key=key_of(request), title=request.title)
        for request in plan.requests
    ]
    sweep = SweepRecord(
        sweep_id=plan.sweep_id,
        backend=record.backend,
        mode=plan.mode,
        parallelism=plan.parallelism,
        policy=asdict(plan.policy),
        runs=runs,
    )
    waiting = waiting_batch(output_dir, plan.sweep_id)
    is_new = bool(tasks) and not waiting.folder.exists()
    # First the runs: `remove_empty`, in another process, removes a record that has none.
    if is_new:
        with recording_batch(waiting):
            _note_waiting(waiting, record, tasks)
    try:
        save_sweep(SweepPaths(output_dir, plan.sweep_id), sweep)
    except (OSError, RecordError) as error:
        if is_new:
            withdraw_batch(waiting)
        if isinstance(error, RecordError):
            raise
        raise SubmissionError(
            f"the record of sweep {plan.sweep_id} cannot be written in {output_dir}: {error}. "
            "Nothing was submitted; make room there, or set another output_dir."
        ) from error


def waiting_batch(output_dir: Path, sweep_id: str) -> BatchPaths:
    """Where a sweep's runs are before they are submitted."""
    return BatchPaths(output_dir, f"{sweep_id}.0")


def end_waiting(output_dir: Path, sweep_id: str, why: Failure) -> None:
    """Note that what still waits will not be submitted."""
    waiting = waiting_batch(output_dir, sweep_id)
    try:
        if waiting.folder.exists():
            save_batch_refusal(waiting, why)
    except OSError as error:
        # Whoever asks finds, once this process has ended, that nobody will submit them.
        log.warning("could not note why runs of sweep %s were not started: %s", sweep_id, error)


def show_alive(output_dir: Path, sweep_id: str) -> None:
    """Tell other machines that the launcher of what waits is at work, if this process is that one.

    Whoever resumes a sweep waits for what its launcher still submits: it must see that one's end.
    """
    waiting = waiting_batch(output_dir, sweep_id)
    with contextlib.suppress(OSError, RecordError):
        if load_intent(waiting).is_own:
            os.utime(waiting.intent)


def remove_empty(output_dir: Path) -> None:
    """Remove the records of sweeps of which no run is left."""
    for sweep_id in sweeps_in(output_dir):
        paths = SweepPaths(output_dir, sweep_id)
        with contextlib.suppress(RecordError, OSError):
            record = load_sweep(paths)
            runs = [] if record is None else record.runs
            if not any(is_recorded(RunPaths(output_dir, run.run_id)) for run in runs):
                paths.record.unlink(missing_ok=True)


def common_record(record: RunRecord) -> JsonDict:
    """What the runs of a batch have in common, as `batch.json` has it."""
    value = record.to_json()
    del value["run_id"], value["version"]
    return value


def _note_waiting(
    waiting: BatchPaths, record: RunRecord, tasks: Sequence[tuple[TaskInput, bytes | None]]
) -> None:
    def write_intent(draft: BatchPaths, _final: BatchPaths) -> None:
        write_json(draft.intent, new_intent().to_json())

    batched = (
        BatchedTask(run_id=task.run_id, submission=1, task=task.to_json(), payload=payload)
        for task, payload in tasks
    )
    batch = BatchRecord(kind="waiting", run=common_record(record))
    create_batch(waiting, batch, batched, write_intent)


def taken_names(output_dir: Path) -> set[str]:
    """What no new run can be called: the runs there are, and whatever else lies there."""
    try:
        # One listing: a sweep may ask about a thousand.
        names = set(os.listdir(output_dir))  # noqa: PTH208
    except OSError:
        return set()
    return names | set(batched_runs(output_dir))


def match_earlier(
    output_dir: Path, requests: Sequence[TaskRequest], existing: Collection[str]
) -> list[TaskRequest]:
    """The requests, with the run ids of earlier runs of the same content.

    `existing` are the runs that the folder has. Raises RunExistsError for a run id that is there
    with another content.
    """
    named = [request for request in requests if request.run_id in existing]
    for request in named:
        _refuse_other_content(RunPaths(output_dir, str(request.run_id)), request)
    unnamed = [request for request in requests if request.run_id not in existing]
    matched = match_runs(_readable(output_dir), [key_of(request) for request in unnamed])
    taken = {str(request.run_id) for request in named}
    earlier = {
        str(request.run_id): run_id
        for request, run_id in zip(unnamed, matched, strict=True)
        if run_id in existing and run_id not in taken
    }
    return [
        replace(request, run_id=earlier.get(str(request.run_id), request.run_id))
        for request in requests
    ]


def key_of(request: TaskRequest) -> str:
    """The content of a checked request."""
    return content_key(request.target or target_of(request.config), dict(request.config))


def _readable(output_dir: Path) -> list[SweepRecord]:
    found = []
    for sweep_id in sweeps_in(output_dir):
        try:
            record = load_sweep(SweepPaths(output_dir, sweep_id))
        except (RecordError, OSError) as error:
            log.warning("%s; its runs cannot be found by content", error)
            continue
        if record is not None:
            found.append(record)
    return sorted(found, key=lambda record: record.created_at)


def _refuse_other_content(paths: RunPaths, request: TaskRequest) -> None:
    task = load_task(paths)
    if content_key(task.target, task.config) != key_of(request):
        raise RunExistsError(
            f"run {paths.run_id!r} exists in {paths.output_dir} with another config. Nothing was "
            "submitted: a sweep is resumed by the content of its configs. Choose another run id."
        )
