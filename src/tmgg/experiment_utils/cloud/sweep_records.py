"""Sweeps on record: noting one before it is submitted, and finding its runs again by content."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tmgg.errors import RecordError, RunExistsError, SubmissionError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.sweeping import SweepPlan
from tmgg.experiment_utils.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.registry import load_task
from tmgg.experiment_utils.sweeps import (
    SweepRecord,
    SweepRun,
    content_key,
    load_sweep,
    match_runs,
    save_sweep,
    sweeps_in,
)
from tmgg.experiment_utils.task import target_of

log = logging.getLogger(__name__)


def note_sweep(output_dir: Path, backend: str, plan: SweepPlan) -> None:
    """Write the sweep's record; raises SubmissionError when it cannot be written."""
    record = SweepRecord(
        sweep_id=plan.sweep_id,
        backend=backend,
        mode=plan.mode,
        parallelism=plan.parallelism,
        policy=asdict(plan.policy),
        runs=[
            SweepRun(run_id=str(request.run_id), key=key_of(request), title=request.title)
            for request in plan.requests
        ],
    )
    try:
        save_sweep(SweepPaths(output_dir, plan.sweep_id), record)
    except OSError as error:
        raise SubmissionError(
            f"the record of sweep {plan.sweep_id} cannot be written in {output_dir}: {error}. "
            "Nothing was submitted; make room there, or set another output_dir."
        ) from error


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
