"""Submit and wait at a terminal: the status line, Ctrl-C, and the report at the end."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence

from tmgg.cli import exit_codes
from tmgg.cli.live import LiveView
from tmgg.cli.progress import SweepProgress
from tmgg.errors import RunError, SubmissionError, TmggError
from tmgg.experiment_utils.cloud.base import CloudRunner, sweep_of
from tmgg.experiment_utils.cloud.runs import (
    NOT_SUBMITTED,
    ExperimentResult,
    RunState,
    SpawnedTask,
    TaskRequest,
)
from tmgg.hydra_plugins.launcher_options import LauncherOptions

NAMES_SHOWN = 20


def wait_for_run(runner: CloudRunner, request: TaskRequest, *, cancel: bool) -> ExperimentResult:
    """Submit one run and wait for its end. Raises TmggError when it cannot be submitted."""
    assert request.run_id is not None
    view = LiveView()
    with _interruptible(runner, [request.run_id], view.progress.seen, cancel=cancel):
        _say_submitted(runner.spawn_experiment(request))
        with view:
            return runner.get_result(request.run_id, on_update=view)


def wait_for_sweep(
    runner: CloudRunner, requests: Sequence[TaskRequest], options: LauncherOptions
) -> list[ExperimentResult]:
    """Submit all as room appears and wait for the last."""
    requests = _matched(runner, requests, options)
    run_ids = [str(request.run_id) for request in requests]
    progress = SweepProgress(
        total=len(requests),
        ranking=options.ranking,
        read_metrics=lambda run_id: runner.collect(run_id).metrics,
    )
    view = LiveView(progress, titles={str(each.run_id): each.title for each in requests})
    cancel = options.cancel_on_interrupt
    with _interruptible(runner, run_ids, progress.seen, cancel=cancel), view:
        return runner.run_sweep(
            requests,
            parallelism=options.parallelism,
            policy=options.policy,
            resume=options.resume,
            on_update=view,
        )


def detach(runner: CloudRunner, request: TaskRequest) -> SpawnedTask:
    """Submit one run and wait for nothing. Raises TmggError when it cannot be submitted."""
    task = runner.spawn_experiment(request)
    _say_submitted(task)
    _say_how_to_come_back([task.run_id])
    return task


def detach_sweep(
    runner: CloudRunner, requests: Sequence[TaskRequest], options: LauncherOptions
) -> list[SpawnedTask | SubmissionError]:
    """Submit all and wait for none. One that the backend refuses does not stop the others."""
    requests = _matched(runner, requests, options)
    sweep = runner.spawn_sweep(requests, parallelism=options.parallelism, resume=options.resume)
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
        _say(f"{len(submitted)} runs are submitted (sweep {sweep.sweep_id})")
        _say_how_to_come_back(submitted)
    return spawned


def _matched(
    runner: CloudRunner, requests: Sequence[TaskRequest], options: LauncherOptions
) -> Sequence[TaskRequest]:
    """With the ids of earlier runs of the same content, where the sweep is a resumed one."""
    return runner.match_earlier(requests) if options.resume else requests


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
    if len(submitted) < len(run_ids):
        _say(f"{len(run_ids) - len(submitted)} of {len(run_ids)} runs were not submitted yet")
    if cancel:
        left = _cancel(runner, left)
    if left:
        _say(f"{len(left)} of {len(run_ids)} runs go on without this process")
        _say_how_to_come_back(left)


def _submitted(
    runner: CloudRunner, run_ids: Sequence[str], seen: Mapping[str, RunState]
) -> list[str]:
    """Those that are in, whatever the last look told."""
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
    sweeps = {sweep_of(run_id) for run_id in run_ids}
    names = " ".join(run_ids)
    if len(run_ids) > NAMES_SHOWN and None not in sweeps:
        names = " ".join(sorted(map(str, sweeps)))
    _say(f"  tmgg-jobs wait {names}")
    _say(f"  tmgg-jobs cancel {names}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
