"""Many runs with one sbatch: write the batch, submit it, and record the outcome.

The two kinds of batch (`array`, `packed`) differ in their job script.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.errors import (
    RunError,
    RunExistsError,
    SubmissionError,
    SubmissionUnknownError,
    SubmitLimitError,
)
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.recording import (
    given_up_elsewhere,
    recording_batch,
)
from tmgg.experiment_utils.cloud.runs_on_record.requests import task_of
from tmgg.experiment_utils.cloud.runs_on_record.run_submitter import is_given_up
from tmgg.experiment_utils.cloud.slurm.backend import SlurmBackend
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.refusal_words import NO_SUCH_ARRAY
from tmgg.experiment_utils.cloud.slurm.request.script import EXECUTABLE_BY_OWNER, leaves_token
from tmgg.experiment_utils.cloud.sweep.batch_refusals import save_batch_refusal
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan
from tmgg.experiment_utils.cloud.sweep.records import common_record, waiting_batch
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import write_atomic, write_json
from tmgg.experiment_utils.files.hiccups import may_pass, outlast
from tmgg.experiment_utils.files.looking import can_look, is_there, listing
from tmgg.experiment_utils.run_folder.batch_index import withdraw_batch
from tmgg.experiment_utils.run_folder.batches import (
    BatchedTask,
    BatchKind,
    BatchRecord,
    WriteScript,
    create_batch,
    create_part,
)
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.experiment_utils.run_folder.paths import BatchPaths, RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import new_intent

log = logging.getLogger(__name__)

RenderScript = Callable[[SlurmConfig, BatchPaths, str], str]
"""Renders the job script; the third argument is the batch's token."""


class BatchSubmitter:
    """Submits the batches of one sweep."""

    def __init__(
        self,
        backend: SlurmBackend,
        runs: RecordedRuns,
        plan: SweepPlan,
        *,
        gpu_type: str | None,
        resume: bool,
    ) -> None:
        self._backend = backend
        self._runs = runs
        self._sweep_id = plan.sweep_id
        self._gpu_type = gpu_type
        # Must come before the sweep records its new runs.
        run_ids = [str(request.run_id) for request in plan.requests]
        self._existing = set(runs.existing(run_ids)) if resume else set()
        self._failed: dict[str, RunState] = {}
        self._newest: dict[str, int] = {}
        """Number of the newest known submission, by run id."""
        self._begun: list[SubmissionPaths] = []
        self._made: dict[str, int] = {}
        """Number of the newest submission that this process began again, by run id."""
        self._number = _last_number(backend.traits.output_dir, plan.sweep_id)

    def take_up(self, requests: Sequence[TaskRequest]) -> dict[str, str | None]:
        """When a sweep is resumed: the runs that need not be submitted, with their jobs."""
        run_ids = [str(request.run_id) for request in requests]
        known = [run_id for run_id in run_ids if run_id in self._existing]
        # Before the poll, so that a submission by another process in between is noticed.
        self._newest = {run_id: self._newest_submission(run_id) for run_id in known}
        return self._sort_out(known, is_left=_has_failed)

    def continue_from(self, failed: Sequence[RunState]) -> None:
        """Note runs of this sweep that failed: they get their next submission."""
        self._failed.update({state.run_id: state for state in failed})

    def overtaken(self, requests: Sequence[TaskRequest]) -> dict[str, str | None]:
        """Runs that another process has submitted meanwhile, with their jobs.

        Hours may pass before a run is submitted, or between its failure and its next submission.
        Or this process was stopped, and another process has resumed the sweep.
        """
        # One listing instead of one for each run: a run without a folder has no submission.
        has_folder = set(listing(self._backend.traits.output_dir))
        run_ids = [str(request.run_id) for request in requests if request.run_id in has_folder]
        found = {run_id: self._submissions_of(run_id) for run_id in run_ids}
        changed = [run_id for run_id in run_ids if found[run_id] > self._made_here(run_id)]
        self._newest.update({run_id: found[run_id] for run_id in changed})
        # The end of a run that another process cancelled, or submitted, is this process's result.
        return self._sort_out(changed, is_left=is_given_up)

    def _sort_out(
        self, run_ids: Sequence[str], *, is_left: Callable[[RunState], bool]
    ) -> dict[str, str | None]:
        """Note the runs whose next submission is left to this process. Returns the others' jobs.

        A run with a damaged record counts as submitted: waiting for it shows what is wrong.
        """
        others: dict[str, str | None] = {}
        for run_id, found in zip(run_ids, self._runs.poll_each(run_ids), strict=True):
            if isinstance(found, RunError):
                others[run_id] = None
            elif is_left(found):
                self._failed[run_id] = found
            else:
                others[run_id] = found.job_id
        return others

    def submit(
        self, requests: Sequence[TaskRequest], kind: BatchKind, render: RenderScript
    ) -> tuple[BatchPaths, str | None]:
        """Submit all runs with one sbatch. Returns the batch and its job (None if not known yet).

        Raises SubmitLimitError or RunError, and then takes back what it has written. Raises
        SubmissionError if Slurm refuses the job; that is the end of these runs, unless the error
        may pass or the array is too long (NO_SUCH_ARRAY). Raises ConfigError. Raises
        RunExistsError, and takes back what it has written, if another process has acted on some.
        """
        self._runs.show_alive(self._sweep_id)
        self._begun = []
        batch = self._next_batch()
        self._write(batch, requests, kind, render)
        try:
            self._continue_failed(batch, requests)
            with leases.held(batch.intent):
                return batch, outlast(
                    lambda: self._backend.submit_folder(batch, base=self._backend.traits.base_dir),
                    is_over=lambda: can_look(batch.intent),
                )
        except SubmissionUnknownError as error:
            log.warning("%s", error)  # Slurm may have the job; a later poll finds out
            return batch, None
        except (SubmitLimitError, RunError):
            self._withdraw(batch)
            raise
        except SubmissionError as error:
            if may_pass(error) or (NO_SUCH_ARRAY in str(error) and len(requests) > 1):
                # The runs are submitted again: later, or as shorter arrays.
                self._withdraw(batch)
                raise
            if self._is_overtaken(requests):
                self._withdraw(batch)
                raise given_up_elsewhere(batch) from error
            self._keep_refusal(batch, requests, kind, render, str(error))
            raise

    def _is_overtaken(self, requests: Sequence[TaskRequest]) -> bool:
        """Whether another process has acted on some of the runs while they were submitted.

        As `overtaken`, it notes those whose next submission is left to this process.
        """
        left = set(self._failed)
        return bool(self.overtaken(requests)) or self._failed.keys() != left

    def _keep_refusal(
        self,
        batch: BatchPaths,
        requests: Sequence[TaskRequest],
        kind: BatchKind,
        render: RenderScript,
        words: str,
    ) -> None:
        """Record the refusal: new runs end with it, earlier runs stay as they were."""
        begun = {submission.run_paths.run_id for submission in self._begun}
        new = [request for request in requests if request.run_id not in begun]
        # If this cannot be written, a later poll finds no job with the batch's token.
        with contextlib.suppress(OSError, SubmissionError):
            if begun:
                self._withdraw(batch, words)
                if not new:
                    return
                batch = self._next_batch()  # a batch never changes
                self._write(batch, new, kind, render)
            save_batch_refusal(batch, failure("submission", words))

    def _next_batch(self) -> BatchPaths:
        # Another process may have submitted batches of the sweep meanwhile.
        last = _last_number(self._backend.traits.output_dir, self._sweep_id)
        self._number = max(self._number, last) + 1
        return BatchPaths(self._backend.traits.output_dir, f"{self._sweep_id}.{self._number}")

    def _write(
        self,
        batch: BatchPaths,
        requests: Sequence[TaskRequest],
        kind: BatchKind,
        render: RenderScript,
    ) -> None:
        backend = self._backend
        config = backend.config if self._gpu_type is None else self._with_gpu()
        config = backend.needed_now(config, batch)
        intent = replace(new_intent(batch), cluster=backend.client.cluster())
        script = render(config, batch, intent.token)
        intent = replace(intent, evidence_has_token=leaves_token(script))
        record = BatchRecord(
            kind=kind,
            run=common_record(self._runs.submitter.new_record("", gpu_type=self._gpu_type)),
        )

        def write_script(draft: BatchPaths, _final: BatchPaths) -> None:
            write_atomic(draft.script, script.encode(), mode=EXECUTABLE_BY_OWNER)
            write_json(draft.intent, intent.to_json())

        with recording_batch(batch):
            if not self._write_part(batch, record, requests, write_script):
                tasks = (self._batched(request) for request in requests)
                create_batch(batch, record, tasks, write_script)

    def _write_part(
        self,
        batch: BatchPaths,
        record: BatchRecord,
        requests: Sequence[TaskRequest],
        write_script: WriteScript,
    ) -> bool:
        whole = waiting_batch(batch.output_dir, self._sweep_id)
        submissions = [
            RunPaths(batch.output_dir, run_id).submission(self._submission_number(run_id))
            for run_id in (str(request.run_id) for request in requests)
        ]
        return is_there(whole.folder) and create_part(
            batch, record, whole, submissions, write_script
        )

    def _with_gpu(self) -> SlurmConfig:
        return replace(self._backend.config, gpu_type=self._gpu_type)

    def _batched(self, request: TaskRequest) -> BatchedTask:
        task = task_of(request, default_timeout_s=self._backend.traits.default_timeout_s)
        return BatchedTask(
            run_id=task.run_id,
            submission=self._submission_number(task.run_id),
            task=task.to_json(),
            payload=request.payload,
        )

    def _submission_number(self, run_id: str) -> int:
        return self._made_here(run_id) + 1

    def _newest_submission(self, run_id: str) -> int:
        return max(1, self._submissions_of(run_id))

    def _submissions_of(self, run_id: str) -> int:
        """The number of the run's last submission that has a folder; 0 if none has."""
        numbers = RunPaths(self._backend.traits.output_dir, run_id).submission_numbers()
        return max(numbers, default=0)

    def _made_here(self, run_id: str) -> int:
        """The number of the run's last submission that this process knows of; 0 for none."""
        if run_id not in self._failed:
            return 0
        return max(self._newest.get(run_id, 1), self._made.get(run_id, 0))

    def _continue_failed(self, batch: BatchPaths, requests: Sequence[TaskRequest]) -> None:
        """Begin the next submission of runs that failed, and let Slurm append to their old logs."""
        for index, request in enumerate(requests):
            state = self._failed.get(str(request.run_id))
            if state is None:
                continue
            number = self._submission_number(state.run_id)
            run = RunPaths(batch.output_dir, state.run_id)
            self._begun.append(self._runs.submitter.begin_again(state, number))
            self._made[state.run_id] = number
            for log_file, suffix in ((run.stdout, "out"), (run.stderr, "err")):
                with contextlib.suppress(OSError):  # then the job script appends to the old log
                    os.link(log_file, batch.logs / f"{index}.{suffix}")

    def _withdraw(self, batch: BatchPaths, refused: str = "") -> None:
        # First the submissions: without the batch, their files would not show what they are.
        for submission in self._begun:
            self._made.pop(submission.run_paths.run_id, None)
            with contextlib.suppress(RunExistsError):
                self._runs.submitter.take_back(submission, refused)
        self._begun = []
        withdraw_batch(batch)


def _has_failed(state: RunState) -> bool:
    return state.final and state.status == "failed"


def _last_number(output_dir: Path, sweep_id: str) -> int:
    """The highest number of the sweep's batches; 0 for none. Raises OSError if listing fails."""
    names = listing(output_dir / BatchPaths.FOLDER_NAME)
    numbers = [name.rpartition(".")[2] for name in names if name.startswith(f"{sweep_id}.")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)
