"""Gathers what a report shows from the records and files of runs."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tmgg.cli.run_json import status_of
from tmgg.cli.selection import titles_of
from tmgg.cli.used import advice_of, find_packed_in
from tmgg.console.causes import group_by_cause
from tmgg.console.overrides import in_short, parse_title
from tmgg.console.ranking import Ranking
from tmgg.console.run_names import names_of_runs
from tmgg.errors import ForeignFileError, RemovedRunError, RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.judging.results import read_seconds
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.run_folder.attempts import record_of, task_of_attempt
from tmgg.experiment_utils.run_folder.evidence import read_result
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import decided_at
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.sampling.reading import find_use
from tmgg.experiment_utils.sampling.used import nodes_of
from tmgg.report.allocations import read_allocation
from tmgg.report.curve_files import find_curve_files
from tmgg.report.curves import has_event_reader, read_curves
from tmgg.report.held import Allocation, held_by
from tmgg.report.model import Report, ReportCause, ReportRun
from tmgg.report.not_drawn import not_read
from tmgg.report.timeline import read_spans

MOST_WITH_CURVES = 100
"""A figure with more curves cannot be read, and reading files of thousands of runs takes long."""


def gather(runs: Sequence[KnownRun], title: str, ranking: Ranking) -> Report:
    """Ask about the runs and read what they left. What cannot be read is left out."""
    now_s = time.time()
    states = Reattached(runs).poll_all()
    pairs = [
        (run, found)
        for run, found in zip(runs, states, strict=True)
        if not isinstance(found, RemovedRunError)
    ]
    names = names_of_runs([run.paths for run, _found in pairs])
    whole = titles_of([run for run, _found in pairs])
    titles = in_short(whole)
    gathered = [
        replace(
            _gather(run, found, whole.get(run.paths, ""), now_s),
            run_id=names[run.paths],
            title=titles.get(run.paths, ""),
        )
        for run, found in pairs
    ]
    read, notes = _with_curves(gathered, [run.paths for run, _found in pairs], ranking)
    if silent := sum(isinstance(state, RunState) and not state.answered for state in states):
        notes.append(f"There was no answer about {silent} runs: what is shown is the last known.")
    known = [(run, found) for run, found in pairs if isinstance(found, RunState)]
    causes = group_by_cause(found for _run, found in known)
    return Report(
        title=title,
        runs=read,
        ranking=ranking,
        made_at=now_s,
        notes=notes,
        allocations=_allocations(read, [run for run, _found in pairs], now_s),
        causes=[
            ReportCause(cause.failure, [names[known[place][0].paths] for place in cause.places])
            for cause in causes
        ],
    )


def _gather(run: KnownRun, found: Found, title: str, now_s: float) -> ReportRun:
    record = None if isinstance(run.record, RunError) else run.record
    overrides = parse_title(title) or {}
    if record is None or not isinstance(found, RunState):
        return ReportRun(
            run_id=run.run_id, status=status_of(found), title=title, overrides=overrides
        )
    # A run with one attempt has one submission, so there is no other one to look for.
    last = run.paths.submission(1) if found.attempt == 1 else _newest(run.paths)
    files = SubmissionFiles(last)
    output = None
    with contextlib.suppress(RunError, OSError):
        output = read_result(files)[0] if found.final else None
    use = find_use(files)
    batch = find_packed_in(files)
    settings = _settings(last, record.settings)
    has_failed = found.status == "failed"
    ended_s = now_s
    if found.final:
        ended_s = (output.completed_at if output is not None else decided_at(run.paths)) or now_s
    return ReportRun(
        run_id=run.run_id,
        status=found.status,
        title=title,
        overrides=overrides,
        failure=found.failure,
        metrics=output.metrics if output is not None else {},
        duration_s=(output.duration_seconds if output is not None else read_seconds(last)) or 0.0,
        attempts=found.attempt,
        nodes=found.nodes,
        node_count=nodes_of(settings, is_packed=batch is not None),
        used=use,
        unit=held_by(record.backend, settings, use, is_packed=batch is not None),
        allocation="" if batch is None else batch.batch_id,
        spans=read_spans(
            run.paths, is_alone=found.attempt == 1, has_failed=has_failed, until_s=ended_s
        ),
        advice=() if use is None else advice_of(use, settings, found, is_packed=batch is not None),
    )


def _newest(paths: RunPaths) -> SubmissionPaths:
    return paths.submission(max(paths.submission_numbers(), default=1))


def _settings(last: SubmissionPaths, own: dict[str, Any]) -> dict[str, Any]:
    if last.number == 1:
        return own
    try:
        return record_of(last).settings
    except (RunError, OSError):
        return own


def _allocations(
    read: Sequence[ReportRun], runs: Sequence[KnownRun], now_s: float
) -> dict[str, Allocation]:
    """The packed jobs of the runs, by batch id."""
    found: dict[str, Allocation] = {}
    for shown, run in zip(read, runs, strict=True):
        if shown.allocation and shown.allocation not in found:
            members = [each for each in read if each.allocation == shown.allocation]
            goes_on = any(each.status in ("pending", "running") for each in members)
            found[shown.allocation] = read_allocation(
                BatchPaths(run.paths.output_dir, shown.allocation),
                {} if isinstance(run.record, RunError) else run.record.settings,
                runs_shown=len(members),
                until_s=now_s if goes_on else None,
            )
    return found


def _with_curves(
    runs: Sequence[ReportRun], paths: Sequence[RunPaths], ranking: Ranking
) -> tuple[list[ReportRun], list[str]]:
    """The runs, the best of them with their curves, and notes for the reader."""
    order = sorted(range(len(runs)), key=lambda place: ranking.key(runs[place].metrics))
    found = list(runs)
    notes: list[str] = []
    has_events = False
    incomplete = 0
    for place in order[:MOST_WITH_CURVES]:
        files = find_curve_files(_output_folders(paths[place]))
        has_events = has_events or bool(files.events)
        incomplete += not files.is_complete
        curves = read_curves(files, ranking.name)
        if curves:
            found[place] = replace(runs[place], curves=curves)
    has_curves = any(run.curves for run in found)
    if len(runs) > MOST_WITH_CURVES and has_curves:
        notes.append(f"Learning curves are those of the {MOST_WITH_CURVES} best runs.")
    notes += not_read(found, incomplete)
    if has_events and not has_event_reader():
        notes.append(
            "There are event files of TensorBoard; they are shown where tensorboard is installed."
        )
    return found, notes


def _output_folders(paths: RunPaths) -> list[Path]:
    """The run's own output folder, and the folder that Hydra gave it, if any."""
    folders = [paths.artifacts]
    with contextlib.suppress(RunError, ForeignFileError, OSError):
        task = task_of_attempt(paths.submission(1))
        named = (task.identity or {}).get("folder")
        if isinstance(named, str) and named:
            folders.append(Path(named))
    return folders


def as_json(report: Report) -> dict[str, Any]:
    """The figures of a report, for `--json`."""
    from tmgg.report.costs import add_costs

    costs = add_costs(report.runs, report.allocations)
    return {
        "title": report.title,
        "runs": len(report.runs),
        "hours": None if costs is None else asdict(costs),
        "notes": list(report.notes),
    }
