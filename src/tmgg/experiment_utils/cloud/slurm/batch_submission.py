"""Many runs with one sbatch: write the batch, submit it, note what came of it.

The forms that a batch can take (`array`, `packed`) differ in their script.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tmgg.errors import RunError, SubmissionError, SubmissionUnknownError, SubmitLimitError
from tmgg.experiment_utils.atomic_file import write_atomic, write_json
from tmgg.experiment_utils.batch_index import withdraw_batch
from tmgg.experiment_utils.batches import (
    BatchedTask,
    BatchKind,
    BatchRecord,
    WriteScript,
    create_batch,
    create_part,
)
from tmgg.experiment_utils.cloud.base import task_of
from tmgg.experiment_utils.cloud.judging import save_batch_refusal
from tmgg.experiment_utils.cloud.recording import continuing, recording_batch
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.slurm.client import NO_SUCH_ARRAY
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.sweep_records import common_record, waiting_batch
from tmgg.experiment_utils.cloud.sweeping import SweepPlan
from tmgg.experiment_utils.failures import failure
from tmgg.experiment_utils.paths import BatchPaths, RunPaths
from tmgg.experiment_utils.registry import new_intent

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner

log = logging.getLogger(__name__)

RenderScript = Callable[[SlurmConfig, BatchPaths], str]
EXECUTABLE_BY_OWNER = 0o700


class BatchSubmitter:
    """Of one sweep."""

    def __init__(
        self, runner: "SlurmRunner", plan: SweepPlan, *, gpu_type: str | None, resume: bool
    ) -> None:
        self._runner = runner
        self._sweep_id = plan.sweep_id
        self._gpu_type = gpu_type
        # Before the sweep notes those that are new.
        run_ids = [str(request.run_id) for request in plan.requests]
        self._existing = set(runner.existing(run_ids)) if resume else set()
        self._failed: dict[str, RunState] = {}
        self._newest: dict[str, int] = {}
        """Of those: the submission that failed."""
        self._begun: list[str] = []
        self._number = _last_number(runner.output_dir, plan.sweep_id)

    def take_up(self, requests: Sequence[TaskRequest]) -> dict[str, str | None]:
        """When a sweep is resumed: its runs that need not be submitted, with their jobs."""
        run_ids = [str(request.run_id) for request in requests]
        known = [run_id for run_id in run_ids if run_id in self._existing]
        # Before the poll: what is submitted again in between is seen as such.
        self._newest = {run_id: self._newest_submission(run_id) for run_id in known}
        return self._sort_out(known)

    def continue_from(self, failed: Sequence[RunState]) -> None:
        """Runs that failed in this sweep: they get their next submission."""
        self._failed.update({state.run_id: state for state in failed})

    def overtaken(self, requests: Sequence[TaskRequest]) -> dict[str, str | None]:
        """Runs that failed, but that somebody else has submitted again meanwhile, with their jobs.

        Between the failure and the next submission hours may pass.
        """
        run_ids = [str(request.run_id) for request in requests]
        failed = [run_id for run_id in run_ids if run_id in self._failed]
        newest = {run_id: self._newest_submission(run_id) for run_id in failed}
        changed = [run_id for run_id in failed if newest[run_id] != self._newest.get(run_id, 1)]
        self._newest.update(newest)
        return self._sort_out(changed)

    def _sort_out(self, run_ids: Sequence[str]) -> dict[str, str | None]:
        """Note those that failed; the others, with their jobs.

        One whose record is damaged counts as submitted: whoever waits for it finds what is wrong.
        """
        others: dict[str, str | None] = {}
        for run_id, found in zip(run_ids, self._runner.poll_each(run_ids), strict=True):
            if isinstance(found, RunError):
                others[run_id] = None
            elif _has_failed(found):
                self._failed[run_id] = found
            else:
                others[run_id] = found.job_id
        return others

    def submit(
        self, requests: Sequence[TaskRequest], kind: BatchKind, render: RenderScript
    ) -> tuple[BatchPaths, str | None]:
        """One sbatch for all; the batch and its job, None when nobody can tell its id yet.

        Raises SubmitLimitError, and then it is as if nothing had been tried; SubmissionError when
        Slurm refuses for good, which is then the end of these runs, unless it only takes no array
        that long (NO_SUCH_ARRAY); ConfigError and RunError.
        """
        self._runner.show_alive(self._sweep_id)
        self._begun = []
        self._number += 1
        batch = BatchPaths(self._runner.output_dir, f"{self._sweep_id}.{self._number}")
        self._write(batch, requests, kind, render)
        try:
            self._continue_failed(batch, requests)
            return batch, self._runner.submit_folder(batch, base=self._runner.base_dir)
        except SubmissionUnknownError as error:
            log.warning("%s", error)  # the job may be in; polling finds out
            return batch, None
        except (SubmitLimitError, RunError):
            self._withdraw(batch)
            raise
        except SubmissionError as error:
            if NO_SUCH_ARRAY in str(error) and len(requests) > 1:
                # They are submitted again as shorter arrays.
                self._withdraw(batch)
                raise
            with contextlib.suppress(OSError):  # whoever asks later finds no job with its token
                save_batch_refusal(batch, failure("submission", str(error)))
            raise

    def _write(
        self,
        batch: BatchPaths,
        requests: Sequence[TaskRequest],
        kind: BatchKind,
        render: RenderScript,
    ) -> None:
        runner = self._runner
        config = runner.config if self._gpu_type is None else self._with_gpu()
        script = render(config, batch)
        record = BatchRecord(
            kind=kind, run=common_record(runner.new_record("", gpu_type=self._gpu_type))
        )

        def write_script(draft: BatchPaths, _final: BatchPaths) -> None:
            write_atomic(draft.script, script.encode(), mode=EXECUTABLE_BY_OWNER)
            write_json(draft.intent, new_intent().to_json())

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
        return whole.folder.exists() and create_part(
            batch, record, whole, submissions, write_script
        )

    def _with_gpu(self) -> SlurmConfig:
        return replace(self._runner.config, gpu_type=self._gpu_type)

    def _batched(self, request: TaskRequest) -> BatchedTask:
        task = task_of(request, default_timeout_s=self._runner.default_timeout_s)
        return BatchedTask(
            run_id=task.run_id,
            submission=self._submission_number(task.run_id),
            task=task.to_json(),
            payload=request.payload,
        )

    def _submission_number(self, run_id: str) -> int:
        if run_id not in self._failed:
            return 1
        return self._newest.get(run_id, 1) + 1

    def _newest_submission(self, run_id: str) -> int:
        numbers = RunPaths(self._runner.output_dir, run_id).submission_numbers()
        return max(numbers, default=1)

    def _continue_failed(self, batch: BatchPaths, requests: Sequence[TaskRequest]) -> None:
        """Give those that failed before their next submission, and Slurm the log they have."""
        for index, request in enumerate(requests):
            state = self._failed.get(str(request.run_id))
            if state is None:
                continue
            number = self._submission_number(state.run_id)
            run = RunPaths(batch.output_dir, state.run_id)
            with continuing(run.submission(number)):
                self._runner.begin_again(state, number)
            self._begun.append(state.run_id)
            for log_file, suffix in ((run.stdout, "out"), (run.stderr, "err")):
                with contextlib.suppress(OSError):  # then the job script appends to it
                    os.link(log_file, batch.logs / f"{index}.{suffix}")

    def _withdraw(self, batch: BatchPaths) -> None:
        # First the submissions: without the batch nothing would tell what they are.
        for run_id in self._begun:
            self._runner.end_again(run_id)
        self._begun = []
        withdraw_batch(batch)


def _has_failed(state: RunState) -> bool:
    return state.final and state.status == "failed"


def _last_number(output_dir: Path, sweep_id: str) -> int:
    try:
        names = os.listdir(output_dir / BatchPaths.FOLDER_NAME)  # noqa: PTH208 - names only
    except OSError:
        return 0
    numbers = [name.rpartition(".")[2] for name in names if name.startswith(f"{sweep_id}.")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)
