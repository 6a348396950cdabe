"""Submit and wait at a terminal: the status line, Ctrl-C, and the report at the end."""

import contextlib
import functools
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.console import exit_codes
from tmgg.console.live import LiveView
from tmgg.console.progress import SweepProgress
from tmgg.console.run_names import names_of_runs
from tmgg.console.visible import visible
from tmgg.errors import RunError, SubmissionError, TmggError
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import (
    NOT_SUBMITTED,
    ExperimentResult,
    RunState,
    SpawnedTask,
    TaskRequest,
)
from tmgg.hydra_plugins import hydra_job
from tmgg.hydra_plugins.launcher_options import LauncherOptions
from tmgg.hydra_plugins.sweep_folder import noted, refuse_known

log = logging.getLogger(__name__)


def wait_for_run(runner: CloudRunner, request: TaskRequest, *, cancel: bool) -> ExperimentResult:
    """Submit one run and wait for its end. Raises TmggError when it cannot be submitted."""
    assert request.run_id is not None
    view = LiveView()
    with _interruptible(runner, [request.run_id], view.progress.seen, cancel=cancel):
        _say_submitted(runner.spawn_experiment(request))
        with view:
            return runner.get_result(request.run_id, on_update=view)


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """Where a sweep writes: `hydra.sweep.dir`, and the folder of each job in the order of them."""

    path: Path
    jobs: Sequence[str]
    name: str = ""
    """The sweep's, for people; see `sweep_name`."""


def wait_for_sweep(
    runner: CloudRunner,
    requests: Sequence[TaskRequest],
    options: LauncherOptions,
    folder: SweepFolder,
) -> list[ExperimentResult]:
    """Submit all as room appears and wait for the last."""
    asked = requests
    with _looking_up(runner, options):
        requests = _matched(runner, requests, options)
        run_ids = [str(request.run_id) for request in requests]
        progress = SweepProgress(
            total=len(requests),
            ranking=options.ranking,
            read_metrics=functools.partial(_metrics_so_far, runner),
        )
        view = LiveView(progress, titles={str(each.run_id): each.title for each in requests})
        cancel = options.cancel_on_interrupt
        with (
            _noting(folder, runner, asked, requests, options),
            _interruptible(runner, run_ids, progress.seen, cancel=cancel),
            view,
        ):
            return runner.run_sweep(
                requests,
                parallelism=options.parallelism,
                policy=options.policy,
                resume=options.resume,
                share_output_dir=options.share_output_dir,
                name=folder.name,
                metric=options.metric,
                metric_mode=options.metric_mode,
                on_update=view,
            )


def _metrics_so_far(runner: CloudRunner, run_id: str) -> Mapping[str, float]:
    """Metrics for the view while it waits; a result that cannot be read is reported at the end."""
    try:
        return runner.collect(run_id).metrics
    except (TmggError, OSError) as error:
        log.info("no metrics of run %s for now: %s", run_id, error)
        return {}


def detach(runner: CloudRunner, request: TaskRequest) -> SpawnedTask:
    """Submit one run and wait for nothing. Raises TmggError when it cannot be submitted."""
    task = runner.spawn_experiment(request)
    _say_submitted(task)
    _say_how_to_come_back([task.run_id])
    return task


def detach_sweep(
    runner: CloudRunner,
    requests: Sequence[TaskRequest],
    options: LauncherOptions,
    folder: SweepFolder,
) -> list[SpawnedTask | SubmissionError]:
    """Submit all and wait for none. One that the backend refuses does not stop the others."""
    with _looking_up(runner, options):
        asked = requests
        requests = _matched(runner, requests, options)
        with _noting(folder, runner, asked, requests, options):
            sweep = runner.spawn_sweep(
                requests,
                parallelism=options.parallelism,
                resume=options.resume,
                share_output_dir=options.share_output_dir,
                name=folder.name,
                metric=options.metric,
                metric_mode=options.metric_mode,
            )
    spawned: list[SpawnedTask | SubmissionError] = []
    for run_id in sweep.run_ids:
        refusal = sweep.refused.get(run_id)
        if refusal is None:
            spawned.append(SpawnedTask(run_id=run_id, job_id=None, backend=runner.backend))
        else:
            error = SubmissionError(f"run {run_id} was not submitted: {refusal.error_message}")
            _say(str(error))
            spawned.append(error)
    submitted = [run_id for run_id in sweep.run_ids if run_id not in sweep.refused]
    if submitted:
        counted = "1 run is" if len(submitted) == 1 else f"{len(submitted)} runs are"
        _say(f"{counted} submitted (sweep {sweep.sweep_id})")
        _say_how_to_come_back(submitted)
    return spawned


def _noting(
    folder: SweepFolder,
    runner: CloudRunner,
    asked: Sequence[TaskRequest],
    matched: Sequence[TaskRequest],
    options: LauncherOptions,
) -> contextlib.AbstractContextManager[None]:
    """Keep other sweeps out of the folders of new runs; a known one goes on where it began."""
    if options.share_output_dir:
        return contextlib.nullcontext()
    runs, known = {}, {}
    for own, request, place in zip(asked, matched, folder.jobs, strict=True):
        if own.run_id == request.run_id:
            runs[str(request.run_id)] = place
        elif request.identity is not None and request.identity.folder is not None:
            known[request.identity.folder] = str(request.run_id)
    refuse_known(known, runs)
    return noted(folder.path, getattr(runner, "output_dir", None), runs)


def _looking_up(
    runner: CloudRunner, options: LauncherOptions
) -> contextlib.AbstractContextManager[None]:
    """Given up as soon as the sweep is on record, long before its end."""
    return runner.runs.looking_up() if options.resume else contextlib.nullcontext()


def _matched(
    runner: CloudRunner, requests: Sequence[TaskRequest], options: LauncherOptions
) -> Sequence[TaskRequest]:
    """With the ids of earlier runs of the same content, where the sweep is a resumed one."""
    if not options.resume:
        return requests
    found = runner.runs.match_earlier(
        requests, rerun_changed_code=options.rerun_changed_code, say=_say
    )
    return [hydra_job.in_folder_of_record(request) for request in found]


@contextlib.contextmanager
def _interruptible(
    runner: CloudRunner, run_ids: Sequence[str], seen: Mapping[str, RunState], *, cancel: bool
) -> Iterator[None]:
    """Turn Ctrl-C into a word about what goes on and how to come back; a second one just leaves."""
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(KeyboardInterrupt):
            _take_leave(runner, run_ids, seen, cancel=cancel)
        raise SystemExit(exit_codes.INTERRUPTED) from None


def _take_leave(
    runner: CloudRunner, run_ids: Sequence[str], seen: Mapping[str, RunState], *, cancel: bool
) -> None:
    _say("\ninterrupted")
    submitted = _submitted(runner, run_ids, seen)
    left = [run_id for run_id in submitted if run_id not in seen or not seen[run_id].final]
    unsubmitted = len(run_ids) - len(submitted)
    if unsubmitted:
        _say(f"{unsubmitted} of {len(run_ids)} runs were not submitted yet")
    if cancel:
        left = _cancel(runner, left)
    if left:
        _say(f"{len(left)} of {len(run_ids)} runs go on without this process")
        _say_how_to_come_back(left)
    if unsubmitted and (names := _names(run_ids)):
        _say(f"  tmgg-jobs retry {names}    # submits the rest, and what failed")


def _submitted(
    runner: CloudRunner, run_ids: Sequence[str], seen: Mapping[str, RunState]
) -> list[str]:
    """The runs that are submitted, whatever the last look said."""
    submitted = [run_id for run_id in run_ids if _is_in(seen.get(run_id))]
    unsure = [run_id for run_id in run_ids if not _is_in(seen.get(run_id))]
    return [*submitted, *(state.run_id for state in _known(runner, unsure) if _is_in(state))]


def _known(runner: CloudRunner, run_ids: Sequence[str]) -> list[RunState]:
    """The states of those that are on record, which were written in this order."""
    try:
        return runner.poll(run_ids)  # one question for all
    except RunError:
        states: list[RunState] = []
        with contextlib.suppress(RunError):
            for run_id in run_ids:
                states += runner.poll([run_id])
        return states


def _is_in(state: RunState | None) -> bool:
    return state is not None and state.reason != NOT_SUBMITTED


def _cancel(runner: CloudRunner, run_ids: Sequence[str]) -> list[str]:
    """With one request for all; those that could not be cancelled."""
    try:
        asked = runner.cancel_all(run_ids)
    except TmggError as error:
        if isinstance(error, RunError) and len(run_ids) > 1:  # of one of them
            return [left for run_id in run_ids for left in _cancel(runner, [run_id])]
        which = f"run {run_ids[0]}" if len(run_ids) == 1 else f"{len(run_ids)} runs"
        _say(f"{which} could not be cancelled: {error}")
        return list(run_ids)
    for run_id, is_asked in zip(run_ids, asked, strict=True):
        _say(f"run {run_id} {'is being cancelled' if is_asked else 'had already ended'}")
    return []


def _say_submitted(task: SpawnedTask) -> None:
    job = f" as {task.backend} job {task.job_id}" if task.job_id else ""
    where = f"; files in {task.output_dir}" if task.output_dir else ""
    _say(f"run {task.run_id} submitted{job}{where}")


def _say_how_to_come_back(run_ids: Sequence[str]) -> None:
    names = _names(run_ids)
    _say(f"  tmgg-jobs wait {names}")
    _say(f"  tmgg-jobs cancel {names}")


def _names(run_ids: Sequence[str]) -> str:
    return " ".join(names_of_runs(run_ids))


def _say(text: str) -> None:
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()
