"""Records of sweeps: written before a sweep is submitted, with the lease of its launcher."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tmgg.errors import RecordError, SubmissionError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recording import other_place, recording_batch
from tmgg.experiment_utils.cloud.sweep.batch_refusals import save_batch_refusal
from tmgg.experiment_utils.cloud.sweep.choosing import identity_of
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan, refuse_existing
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.files.looking import is_there, listing
from tmgg.experiment_utils.run_folder.batch_index import (
    find_member,
    withdraw_batch,
)
from tmgg.experiment_utils.run_folder.batches import BatchedTask, BatchRecord, create_batch
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.run_folder.known_folders import remember_folder
from tmgg.experiment_utils.run_folder.output_folder import prepare_output_dir
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.registry import (
    RunRecord,
    is_recorded,
    launcher_is_over,
    load_intent,
    new_intent,
)
from tmgg.experiment_utils.run_folder.remains import set_aside_remains
from tmgg.experiment_utils.run_folder.sweeps import (
    SweepRecord,
    SweepRun,
    load_sweep,
    save_sweep,
    sweeps_in,
)
from tmgg.experiment_utils.run_folder.task import TaskInput

log = logging.getLogger(__name__)


def note_sweep(
    output_dir: Path,
    record: RunRecord,
    plan: SweepPlan,
    tasks: Sequence[tuple[TaskInput, bytes | None]],
) -> None:
    """Write the sweep's record, and the tasks and payloads of its new runs.

    Raises SubmissionError if they cannot be written, RunExistsError if another process records the
    same sweep, or has just made one of the new runs.
    """
    with recording_batch(waiting_batch(output_dir, plan.sweep_id)):
        prepare_output_dir(output_dir)
    remember_folder(output_dir)
    runs = [_as_run(request) for request in plan.requests]
    sweep = SweepRecord(
        sweep_id=plan.sweep_id,
        name=plan.name,
        metric=plan.metric or "",
        metric_mode=plan.metric_mode,
        backend=record.backend,
        mode=plan.mode,
        parallelism=plan.parallelism,
        policy=asdict(plan.policy),
        runs=runs,
    )
    waiting = waiting_batch(output_dir, plan.sweep_id)
    is_new = bool(tasks) and not is_there(waiting.folder)
    # First the runs: `remove_empty` in another process removes a sweep's record without runs.
    if is_new:
        with recording_batch(waiting):
            _note_waiting(waiting, record, tasks)
        new = [RunPaths(output_dir, task.run_id) for task, _payload in tasks]
        _refuse_begun(waiting, new)
        set_aside_remains(new)
    try:
        save_sweep(SweepPaths(output_dir, plan.sweep_id), sweep)
    except (OSError, RecordError) as error:
        if is_new:
            withdraw_batch(waiting)
        if isinstance(error, RecordError):
            raise
        raise SubmissionError(
            f"the record of sweep {plan.sweep_id} cannot be written in {output_dir}: {error}. "
            f"Nothing was submitted. {other_place(error, output_dir)}"
        ) from error


def waiting_batch(output_dir: Path, sweep_id: str) -> BatchPaths:
    """Batch 0 of a sweep, which holds its runs before they are submitted."""
    return BatchPaths(output_dir, f"{sweep_id}.0")


def waits_for_another(paths: RunPaths) -> bool:
    """Whether another process has recorded this run, is still alive, and will submit it."""
    member = None if is_there(paths.folder) else find_member(paths.submission(1))
    if member is None or not member.batch.is_waiting or is_there(member.batch.refusal):
        return False
    try:
        intent = load_intent(member.batch)
    except (OSError, RecordError):
        return False
    return not intent.is_own and not launcher_is_over(member.batch, intent)


def end_waiting(output_dir: Path, sweep_id: str, why: Failure) -> None:
    """Note that the sweep's waiting runs will not be submitted. Never fails."""
    waiting = waiting_batch(output_dir, sweep_id)
    try:
        if is_there(waiting.folder):
            save_batch_refusal(waiting, why)
    except OSError as error:
        # Without the note, other processes see that the runs are abandoned when this process ends.
        log.warning("could not note why runs of sweep %s were not started: %s", sweep_id, error)


def give_up(output_dir: Path, sweep_id: str, why: Failure) -> None:
    """As `end_waiting`, but only if this process is the launcher of the waiting runs."""
    with contextlib.suppress(OSError, RecordError):
        if load_intent(waiting_batch(output_dir, sweep_id)).is_own:
            end_waiting(output_dir, sweep_id, why)


def show_alive(output_dir: Path, sweep_id: str) -> None:
    """Renew the lease of the waiting runs, if this process is their launcher.

    A process that resumes the sweep waits while the launcher lives, so it has to see its end.
    """
    waiting = waiting_batch(output_dir, sweep_id)
    with contextlib.suppress(OSError, RecordError):
        if load_intent(waiting).is_own:
            leases.renew(waiting.intent)


@contextlib.contextmanager
def holding_lease(output_dir: Path, sweep_id: str) -> Iterator[None]:
    """Within the block, renew the lease of the waiting runs, if this process is their launcher."""
    waiting = waiting_batch(output_dir, sweep_id)
    try:
        is_own = load_intent(waiting).is_own
    except (OSError, RecordError):
        is_own = False
    with leases.held(waiting.intent) if is_own else contextlib.nullcontext():
        yield


def remove_empty(output_dir: Path) -> None:
    """Remove the records of sweeps that have no runs left."""
    try:
        sweep_ids = sweeps_in(output_dir)
    except OSError as error:
        log.warning("sweeps without runs stay on record for now: %s", error)
        return
    for sweep_id in sweep_ids:
        paths = SweepPaths(output_dir, sweep_id)
        with contextlib.suppress(RecordError, OSError):
            record = load_sweep(paths)
            runs = [] if record is None else record.runs
            if not any(is_recorded(RunPaths(output_dir, run.run_id)) for run in runs):
                paths.record.unlink(missing_ok=True)


def common_record(record: RunRecord) -> JsonDict:
    """The fields that the runs of a batch share, for `batch.json`."""
    value = record.to_json()
    del value["run_id"], value["version"]
    return value


def _note_waiting(
    waiting: BatchPaths, record: RunRecord, tasks: Sequence[tuple[TaskInput, bytes | None]]
) -> None:
    def write_intent(draft: BatchPaths, final: BatchPaths) -> None:
        write_json(draft.intent, new_intent(final).to_json())

    batched = (
        BatchedTask(run_id=task.run_id, submission=1, task=task.to_json(), payload=payload)
        for task, payload in tasks
    )
    batch = BatchRecord(kind="waiting", run=common_record(record))
    create_batch(waiting, batch, batched, write_intent)


def _refuse_begun(waiting: BatchPaths, new: Sequence[RunPaths]) -> None:
    """Take batch 0 back if another process has made one of its runs, and raise RunExistsError.

    A process that makes a single run looks for the run's id in the batches after it has made the
    folder. So a run that is made later than this look is withdrawn by its own process.
    """
    try:
        names = set(listing(waiting.output_dir))
        refuse_existing([run.run_id for run in new if run.run_id in names])
    except BaseException:
        withdraw_batch(waiting)
        raise


def _as_run(request: TaskRequest) -> SweepRun:
    identity = identity_of(request)
    return SweepRun(
        run_id=str(request.run_id),
        key=identity.key,
        title=request.title,
        program=identity.program,
        sweep_folder=identity.sweep_folder or "",
        as_written=dict(request.as_written),
    )
