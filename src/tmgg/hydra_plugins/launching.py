"""Submit and wait at a terminal: the status line, Ctrl-C, and the report at the end."""

import contextlib
import functools
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tmgg.console.live import LiveView
from tmgg.console.printing import say
from tmgg.console.progress import SweepProgress
from tmgg.console.run_names import command_for
from tmgg.errors import RunError, SubmissionError, TmggError, UnknownRunError
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import (
    ExperimentResult,
    RunKey,
    RunState,
    SpawnedTask,
    TaskRequest,
    is_to_submit,
)
from tmgg.experiment_utils.cloud.sweep.matching import Resumed
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.sweeps import sweep_of_all
from tmgg.hydra_plugins import hydra_job
from tmgg.hydra_plugins.end_signals import EndSignal, end_signals_heard, exit_code_after
from tmgg.hydra_plugins.launcher_options import LauncherOptions
from tmgg.hydra_plugins.sweep_folder import noted, refuse_known

log = logging.getLogger(__name__)


def wait_for_run(runner: CloudRunner, request: TaskRequest, *, cancel: bool) -> ExperimentResult:
    """Submit one run and wait for its end. Raises TmggError if it cannot be submitted."""
    assert request.run_id is not None
    view = LiveView()
    with _interruptible(runner, [request.run_id], view.progress.seen, cancel=cancel):
        _say_submitted(runner.spawn_experiment(request))
        with view:
            return runner.get_result(request.run_id, on_update=view)


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """Where a sweep writes: `hydra.sweep.dir`, and the folder of each job, in order."""

    path: Path
    jobs: Sequence[str]
    name: str = ""
    """The sweep's name for users; see `sweep_name`."""
    launched: Collection[str] = ()
    """Runs of the same sweep in earlier batches, if its sweeper launches in batches."""


def wait_for_sweep(
    runner: CloudRunner,
    requests: Sequence[TaskRequest],
    options: LauncherOptions,
    folder: SweepFolder,
) -> list[ExperimentResult]:
    """Submit all runs as the limits allow, and wait for the last one."""
    asked, run_ids = requests, list[str]()
    progress = SweepProgress(
        total=len(asked),
        ranking=options.ranking,
        read_metrics=functools.partial(_metrics_so_far, runner),
    )
    with (
        _interruptible(runner, run_ids, progress.seen, cancel=options.cancel_on_interrupt),
        _looking_up(runner, options),
    ):
        found = _matched(runner, asked, options, folder.launched)
        requests = found.requests
        run_ids += [str(request.run_id) for request in requests]
        progress.recognised.update(found.states)
        if options.resume:
            _say_sweep(asked, run_ids)
        view = LiveView(progress, titles={str(each.run_id): each.title for each in requests})
        with _noting(folder, runner, asked, requests, options), view:
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
    """Metrics for the view during the wait. A result that cannot be read is reported at the end."""
    try:
        return runner.collect(run_id).metrics
    except (TmggError, OSError) as error:
        log.info("no metrics of run %s for now: %s", run_id, error)
        return {}


def detach(runner: CloudRunner, request: TaskRequest, *, cancel: bool) -> SpawnedTask:
    """Submit one run without waiting. Raises TmggError if it cannot be submitted."""
    assert request.run_id is not None
    with _interruptible(runner, [request.run_id], {}, cancel=cancel):
        task = runner.spawn_experiment(request)
    _say_submitted(task)
    _say_how_to_come_back(runner, [task.run_id])
    return task


def detach_sweep(
    runner: CloudRunner,
    requests: Sequence[TaskRequest],
    options: LauncherOptions,
    folder: SweepFolder,
) -> list[SpawnedTask | SubmissionError]:
    """Submit all runs without waiting. A run that the backend refuses does not stop the others."""
    asked, run_ids = requests, list[str]()
    with (
        _interruptible(runner, run_ids, {}, cancel=options.cancel_on_interrupt),
        _looking_up(runner, options),
    ):
        found = _matched(runner, asked, options, folder.launched)
        requests = found.requests
        run_ids += [str(request.run_id) for request in requests]
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
            say(str(error))
            spawned.append(error)
    left = [run_id for run_id in sweep.run_ids if run_id not in sweep.refused]
    if left:
        say(render_submitted(sweep.sweep_id, left, found.states))
        open_ids = [run_id for run_id in left if not _has_completed(found.states.get(run_id))]
        if open_ids:
            elsewhere = {key for key, state in found.states.items() if state.is_elsewhere}
            _say_how_to_come_back(runner, open_ids, asked=left, elsewhere=elsewhere)
    return spawned


def render_submitted(sweep_id: str, run_ids: Sequence[str], known: Mapping[str, RunState]) -> str:
    """How many of these runs were submitted; those in `known` need not be. Pure."""
    new = sum(run_id not in known for run_id in run_ids)
    done = sum(_has_completed(known.get(run_id)) for run_id in run_ids)
    open_count = len(run_ids) - new - done
    submitted = {0: "no run is", 1: "1 run is"}.get(new, f"{new} runs are")
    verb = "is" if open_count == 1 else "are"
    parts = [
        f"{submitted} submitted (sweep {sweep_id})",
        f"{open_count} {verb} under way already" if open_count else "",
        f"{done} completed before" if done else "",
    ]
    return ", ".join(filter(None, parts))


def _has_completed(state: RunState | None) -> bool:
    return state is not None and state.final


def _noting(
    folder: SweepFolder,
    runner: CloudRunner,
    asked: Sequence[TaskRequest],
    matched: Sequence[TaskRequest],
    options: LauncherOptions,
) -> contextlib.AbstractContextManager[None]:
    """Keep other sweeps out of the folders of new runs. Known runs go on in their folders."""
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
    """Hold the lock for looking up runs, until the sweep is on record."""
    return runner.runs.looking_up() if options.resume else contextlib.nullcontext()


def _matched(
    runner: CloudRunner,
    requests: Sequence[TaskRequest],
    options: LauncherOptions,
    launched: Collection[str],
) -> Resumed:
    """The requests; with `resume`, with the ids of earlier runs of the same content."""
    if not options.resume:
        return Resumed(requests=list(requests))
    found = runner.runs.match_earlier(
        requests,
        rerun_changed_code=options.rerun_changed_code,
        say=say,
        launched=launched,
    )
    in_folders = [hydra_job.in_folder_of_record(request) for request in found.requests]
    return replace(found, requests=in_folders)


def _say_sweep(asked: Sequence[TaskRequest], run_ids: Sequence[str]) -> None:
    """Say the id of the resumed sweep, if the ids of its runs begin with it."""
    new = {str(request.run_id) for request in asked}
    sweep_id = sweep_of_all(run_ids, without=set(run_ids) - new)
    if sweep_id is not None:
        say(f"  sweep {sweep_id}")


@contextlib.contextmanager
def interrupted_in_words(words: str) -> Iterator[None]:
    """On Ctrl-C, SIGTERM or SIGHUP, say these words and exit."""
    try:
        with end_signals_heard():
            yield
    except KeyboardInterrupt as end:
        say(f"\ninterrupted; {words}")
        raise SystemExit(exit_code_after(end)) from None


@contextlib.contextmanager
def _interruptible(
    runner: CloudRunner, run_ids: Sequence[str], seen: Mapping[RunKey, RunState], *, cancel: bool
) -> Iterator[None]:
    """On Ctrl-C, say what goes on and how to come back, or cancel. A second Ctrl-C exits at once.

    `run_ids` and `seen` may be filled inside. SIGTERM and SIGHUP do the same, but never cancel:
    runs go on when a terminal is closed.
    """
    try:
        with end_signals_heard():
            yield
    except KeyboardInterrupt as end:
        cancel = cancel and not isinstance(end, EndSignal)
        with contextlib.suppress(KeyboardInterrupt):
            _take_leave(_look_back(runner, run_ids, seen), runner, run_ids, cancel=cancel)
        raise SystemExit(exit_code_after(end)) from None


def _take_leave(
    found: "_LookBack", runner: CloudRunner, run_ids: Sequence[str], *, cancel: bool
) -> None:
    if not found.is_any_on_record:
        say("\ninterrupted; nothing was submitted")
        return
    say("\ninterrupted")
    total, unsubmitted = len(run_ids), found.waiting_count + found.unrecorded_count
    if unsubmitted:
        say(f"{unsubmitted} of {total} runs were not submitted yet")
    left = _cancel(runner, found.under_way) if cancel and found.under_way else found.under_way
    if left:
        say(f"{len(left)} of {total} runs go on without this process")
        _say_how_to_come_back(runner, left, asked=run_ids, elsewhere=found.elsewhere)
    if found.unknown:
        say(f"whether {len(found.unknown)} of {total} runs were submitted is not known now")
        _say_command(runner, "wait", found.unknown, asked=run_ids, remark="finds out")
    if found.waiting_count:
        _say_command(runner, "retry", run_ids, remark="submits the rest, and what failed")


@dataclass(kw_only=True, slots=True)
class _LookBack:
    """What is known of the runs of a launch when it is interrupted."""

    under_way: list[str] = field(default_factory=list)
    elsewhere: set[str] = field(default_factory=set)
    """Runs that can be cancelled only elsewhere."""
    unknown: list[str] = field(default_factory=list)
    """Runs for which it is not known now whether the backend has them."""
    ended_count: int = 0
    waiting_count: int = 0
    """Runs that are on record but not submitted yet."""
    unrecorded_count: int = 0

    @property
    def is_any_on_record(self) -> bool:
        return bool(self.under_way or self.unknown or self.ended_count or self.waiting_count)

    def note(self, state: RunState) -> None:
        if state.is_elsewhere:
            self.elsewhere.add(state.run_id)
        if state.final:
            self.ended_count += 1
        elif is_to_submit(state):
            self.waiting_count += 1
        elif _is_in(state) or state.is_elsewhere:
            self.under_way.append(state.run_id)
        else:
            self.unknown.append(state.run_id)


def _look_back(
    runner: CloudRunner, run_ids: Sequence[str], seen: Mapping[RunKey, RunState]
) -> _LookBack:
    """Look again at the runs that were not known to be submitted."""
    found = _LookBack()
    known = [state for run_id in run_ids if (state := seen.get(run_id)) and _is_in(state)]
    known_ids = {state.run_id for state in known}
    unsure = [run_id for run_id in run_ids if run_id not in known_ids]
    for state in known:
        found.note(state)
    try:
        states = _known(runner, unsure)
    except TmggError as error:
        log.warning("%s", error)
        found.unknown = unsure
        return found
    for state in states:
        found.note(state)
    found.unrecorded_count = len(unsure) - len(states)
    return found


def _known(runner: CloudRunner, run_ids: Sequence[str]) -> list[RunState]:
    """The states of the runs on record. Records were written in the order of `run_ids`."""
    try:
        return runner.poll(run_ids)  # one query for all
    except UnknownRunError:
        states: list[RunState] = []
        with contextlib.suppress(UnknownRunError):
            for run_id in run_ids:
                states += runner.poll([run_id])
        return states


def _is_in(state: RunState) -> bool:
    """Whether the backend has the run, or had it."""
    return state.final or state.status != "pending" or state.job_id is not None


def _cancel(runner: CloudRunner, run_ids: Sequence[str]) -> list[str]:
    """Cancel the runs with one request; return those that could not be cancelled."""
    try:
        asked = runner.cancel_all(run_ids)
    except TmggError as error:
        if isinstance(error, RunError) and len(run_ids) > 1:  # about one run only
            return [left for run_id in run_ids for left in _cancel(runner, [run_id])]
        which = f"run {run_ids[0]}" if len(run_ids) == 1 else f"{len(run_ids)} runs"
        say(f"{which} could not be cancelled: {error}")
        return list(run_ids)
    for run_id, is_asked in zip(run_ids, asked, strict=True):
        say(f"run {run_id} {'is being cancelled' if is_asked else 'had already ended'}")
    return []


def _say_submitted(task: SpawnedTask) -> None:
    job = f" as {task.backend} job {task.job_id}" if task.job_id else ""
    where = f"; files in {task.output_dir}" if task.output_dir else ""
    say(f"run {task.run_id} submitted{job}{where}")


def _say_how_to_come_back(
    runner: CloudRunner,
    run_ids: Sequence[str],
    *,
    asked: Collection[str] = (),
    elsewhere: Collection[str] = (),
) -> None:
    """`asked` are all runs of the launch; those `elsewhere` cannot be cancelled here."""
    _say_command(runner, "wait", run_ids, asked=asked)
    here = [run_id for run_id in run_ids if run_id not in elsewhere]
    if here:  # the sweep's name would also mean runs elsewhere, and be refused
        others = [run_id for run_id in asked if run_id not in elsewhere]
        _say_command(runner, "cancel", here, asked=others)


def _say_command(
    runner: CloudRunner,
    command: str,
    run_ids: Sequence[str],
    *,
    asked: Collection[str] = (),
    remark: str = "",
) -> None:
    folder = runner.runs.traits.output_dir
    runs, others = ([RunPaths(folder, run_id) for run_id in each] for each in (run_ids, asked))
    say(f"  {command_for(f'tmgg-jobs {command}', runs, asked=others, remark=remark)}")
