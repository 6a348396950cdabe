"""A sweep as job arrays, as few as the site's limits allow; one sbatch for each array."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from tmgg.errors import (
    QueryError,
    RunError,
    RunExistsError,
    SubmissionError,
    SubmitLimitError,
)
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.slurm.backend import SlurmBackend
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.refusal_words import NO_SUCH_ARRAY
from tmgg.experiment_utils.cloud.slurm.request.dependency import joined
from tmgg.experiment_utils.cloud.slurm.request.script import (
    NO_TOKEN,
    Interpreter,
    render_array_script,
)
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries
from tmgg.experiment_utils.cloud.slurm.submit.array_plan import Room, plan_throttles, render_array
from tmgg.experiment_utils.cloud.slurm.submit.batch_submission import BatchSubmitter
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatched
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan
from tmgg.experiment_utils.files.hiccups import Hiccups
from tmgg.experiment_utils.run_folder.paths import BatchPaths

log = logging.getLogger(__name__)

# Slurm's own default of MaxArraySize, used if the controller does not answer.
DEFAULT_LARGEST_ARRAY = 1001


class ArrayDispatcher:
    """See `dispatch.Dispatcher`. Raises ConfigError for a config that no array can have."""

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
        self._parallelism = plan.parallelism
        self._room: Room | None = None
        self._throttles: list[int | None] = []
        self._lanes: list[str | None] = []
        """The last array of each lane; None before its first."""
        self._arrays = 0
        self._hiccups = Hiccups()
        if plan.parallelism < len(plan.requests):
            _after(backend.config, "1")  # later arrays may have to wait for earlier ones
        # This refuses a template that arrays cannot use, before anything is written.
        self._render(backend.config, BatchPaths(backend.traits.output_dir, f"{plan.sweep_id}.0"), 1)

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        done = Dispatched()
        if self._room is None:
            # Raises OSError while the file system does not answer; `PatientDispatch` asks again.
            done.launched.update(self._submitter.take_up(waiting))
            self._room = self._plan(len(waiting) - len(done.launched))
        rest = [request for request in waiting if str(request.run_id) not in done.launched]
        open_count += len(done.launched)
        if not self._room.begin(open_count):
            done.held = "the queue takes no more of this user's jobs at present"
            return done
        while rest and not done.held:
            size = self._room.size(len(rest), open_count)
            taken = self._try(rest[:size], open_count, done) if size else 0
            if not size:
                done.held = "the queue takes no more of this user's jobs at present"
            open_count += taken
            gone = done.run_ids
            rest = [request for request in rest if str(request.run_id) not in gone]
        return done

    def _plan(self, count: int) -> Room:
        largest = self._largest_array()
        self._throttles = plan_throttles(
            max(1, count), parallelism=self._parallelism, largest_array=largest
        )
        self._lanes = [None] * len(self._throttles)
        return Room(largest)

    def _largest_array(self) -> int:
        try:
            settings = SiteQueries(self._backend.client).settings()
        except QueryError as error:
            log.info("MaxArraySize is not known: %s", error)
            return DEFAULT_LARGEST_ARRAY
        text = settings.get("MaxArraySize", "")
        return max(1, int(text)) if text.isascii() and text.isdigit() else DEFAULT_LARGEST_ARRAY

    def _try(self, requests: Sequence[TaskRequest], open_count: int, done: Dispatched) -> int:
        """Call sbatch once. Returns how many runs Slurm took; definite refusals go into `done`."""
        assert self._room is not None
        size = len(requests)
        try:
            if overtaken := self._submitter.overtaken(requests):
                done.launched.update(overtaken)
                return len(overtaken)
            return self._submit(requests, open_count, done)
        except SubmitLimitError as error:
            if not self._room.refused(size, open_count):
                done.held = str(error)
            return 0
        except (SubmissionError, RunError, OSError) as error:
            if self._hiccups.bearable("submission", error):
                done.held = str(error)
                return 0
            if NO_SUCH_ARRAY in str(error) and size > 1:
                self._room.too_long(size)
                return 0
            done.refused.update({str(request.run_id): str(error) for request in requests})
            return 0

    def _submit(self, requests: Sequence[TaskRequest], open_count: int, done: Dispatched) -> int:
        assert self._room is not None
        size, lane = len(requests), self._arrays % len(self._lanes)
        try:
            batch, job_id = self._submitter.submit(
                requests,
                "array",
                lambda config, batch, token: self._render(config, batch, size, lane, token=token),
            )
        except RunExistsError as error:
            # Another process is submitting some of the runs now. The others are submitted next.
            taken = self._submitter.overtaken(requests)
            done.launched.update(taken)
            done.held = "" if taken else str(error)
            return len(taken)
        self._hiccups.over("submission")
        self._arrays += 1
        self._lanes[lane] = job_id or self._lanes[lane]
        self._room.taken(size, open_count + size)
        log.info("batch %s: %d runs as Slurm array %s", batch.batch_id, size, job_id or "(unknown)")
        for index, request in enumerate(requests):
            done.launched[str(request.run_id)] = f"{job_id}_{index}" if job_id else None
        return size

    def _render(
        self,
        config: SlurmConfig,
        batch: BatchPaths,
        size: int,
        lane: int = 0,
        *,
        token: str = NO_TOKEN,
    ) -> str:
        self._backend.check_config(config)
        throttle = self._throttles[lane] if self._throttles else None
        before = self._lanes[lane] if self._lanes and throttle is not None else None
        return render_array_script(
            config if before is None else _after(config, before),
            batch,
            array=render_array(size, throttle),
            base=self._backend.traits.base_dir,
            interpreter=Interpreter.submitting(),
            token=token,
        )


def _after(config: SlurmConfig, array: str) -> SlurmConfig:
    """The config with one more dependency: the end of this array."""
    return replace(config, dependency=joined(config.dependency, f"afterany:{array}"))
