"""A sweep as one job: all of its runs in one allocation, several on each node at once."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from tmgg.errors import (
    ConfigError,
    RunError,
    RunExistsError,
    SubmissionError,
    SubmitLimitError,
)
from tmgg.experiment_utils.cloud.runs import RunState, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.slurm.backend import SlurmBackend
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import (
    NO_TOKEN,
    Interpreter,
    render_packed_script,
)
from tmgg.experiment_utils.cloud.slurm.submit.batch_submission import BatchSubmitter
from tmgg.experiment_utils.cloud.slurm.submit.packed_nodes import fitting
from tmgg.experiment_utils.cloud.slurm.submit.retrying import changed
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatched
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.files.hiccups import Hiccups
from tmgg.experiment_utils.run_folder.paths import BatchPaths

log = logging.getLogger(__name__)


class PackedDispatcher:
    """See `dispatch.Dispatcher`. Raises ConfigError for a config that cannot be packed.

    The allocation decides how many runs are under way at once. `parallelism` has no effect: it
    limits the number of jobs, and a packed sweep is one job.
    """

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
        self._submitter = BatchSubmitter(backend, runs, plan, gpu_type=gpu_type, resume=resume)
        self._requests = {str(request.run_id): request for request in plan.requests}
        self._is_taken_up = False
        # This refuses a template that cannot be used, before anything is written.
        self._render(backend.config, BatchPaths(backend.traits.output_dir, f"{plan.sweep_id}.0"))
        self._hiccups = Hiccups()

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        done = Dispatched()
        if not self._is_taken_up:
            done.launched.update(self._submitter.take_up(waiting))
            self._is_taken_up = True
        rest = [request for request in waiting if str(request.run_id) not in done.launched]
        if rest:
            self._submit(rest, done, RetryChanges())
        return done

    def retry(self, failed: Sequence[RunState], changes: Sequence[RetryChanges]) -> Dispatched:
        done = Dispatched()
        self._submitter.continue_from(failed)
        requests = [self._requests[state.run_id] for state in failed]
        self._submit(requests, done, combined(changes))
        return done

    def _submit(
        self, requests: Sequence[TaskRequest], done: Dispatched, changes: RetryChanges
    ) -> None:
        try:
            overtaken = self._submitter.overtaken(requests)
            done.launched.update(overtaken)
            requests = [request for request in requests if str(request.run_id) not in overtaken]
            if requests:
                self._submit_rest(requests, done, changes)
        except SubmitLimitError as error:
            done.held = str(error)
        except (SubmissionError, RunError, ConfigError, OSError) as error:
            if self._hiccups.bearable("submission", error):
                done.held = str(error)
                return
            if isinstance(error, SubmissionError) and changes.exclude_nodes:
                # Without the bad nodes there may be too few.
                log.warning("%d runs could not be submitted again: %s", len(requests), error)
                self._submit(requests, done, replace(changes, exclude_nodes=()))
                return
            done.refused.update({str(request.run_id): str(error) for request in requests})

    def _submit_rest(
        self, requests: Sequence[TaskRequest], done: Dispatched, changes: RetryChanges
    ) -> None:
        def render(config: SlurmConfig, batch: BatchPaths, token: str) -> str:
            return self._render(fitting(changed(config, changes), len(requests)), batch, token)

        try:
            batch, job_id = self._submitter.submit(requests, "packed", render)
        except RunExistsError as error:
            # Another process is submitting some of the runs now. The others are submitted next.
            done.held = str(error)
            done.launched.update(self._submitter.overtaken(requests))
            return
        self._hiccups.over("submission")
        log.info("batch %s: %d runs in Slurm job %s", batch.batch_id, len(requests), job_id)
        done.launched.update({str(request.run_id): job_id for request in requests})

    def _render(self, config: SlurmConfig, batch: BatchPaths, token: str = NO_TOKEN) -> str:
        return render_packed_script(
            config,
            batch,
            base=self._backend.traits.base_dir,
            interpreter=Interpreter.submitting(),
            token=token,
        )


def combined(changes: Sequence[RetryChanges]) -> RetryChanges:
    """Changes that suit all runs: exclude every bad node, and take the largest memory factor."""
    nodes = [node for each in changes for node in each.exclude_nodes]
    return RetryChanges(
        exclude_nodes=tuple(dict.fromkeys(nodes)),
        memory_factor=max((each.memory_factor for each in changes), default=1.0),
    )
