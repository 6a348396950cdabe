"""A backend that takes the place of Slurm: checks Slurm's options, runs the jobs as processes here.

What it was asked is kept in `asked`, for tests to look at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tmgg.errors import SubmissionError
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalBackend
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import RunState, SpawnedTask, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.run_submitter import RunSubmitter
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner

FACTORY = "tests.hydra.stand_in:make_runner"
asked: list["StandIn"] = []


class StandIn(CloudRunner):
    """One instance for each launcher that was set up."""

    refuse: str | None = None
    """A run whose title holds this text is refused, as sbatch would."""
    interrupt_at_poll: int | None = None
    """Ctrl-C arrives during this poll, counted from 1."""

    def __init__(self, slurm_config: SlurmConfig) -> None:
        backend = LocalBackend(LocalConfig(output_dir=slurm_config.output_dir))
        slurm = SlurmRunner(slurm_config).runs.traits
        backend.traits = replace(backend.traits, check_target=slurm.check_target)
        self.recorded = RecordedRuns(backend)
        super().__init__(_Runs(backend, self))
        self.slurm_config = slurm_config
        self.requests: list[TaskRequest] = []
        self.most_at_once = 0
        self._polls = 0

    def render_dry_run(self, request: TaskRequest) -> str:
        return SlurmRunner(self.slurm_config).render_dry_run(request)

    def spawn(self, request: TaskRequest, **options: Any) -> SpawnedTask:
        self.requests.append(request)
        if self.refuse is not None and self.refuse in str(request.config):
            raise SubmissionError("Invalid partition specified: gpu. Existing: batch, debug")
        return self.recorded.submitter.spawn(request, **options)

    def note(self, request: TaskRequest, **_options: Any) -> SpawnedTask:
        """Takes the place of `spawn` where the jobs do not matter."""
        self.requests.append(request)
        return SpawnedTask(run_id=str(request.run_id), job_id=None, backend=self.backend)

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        self._polls += 1
        if self._polls == self.interrupt_at_poll:
            raise KeyboardInterrupt
        states = self.recorded.poll(run_ids)
        self.most_at_once = max(self.most_at_once, len(states))
        return states


class _Runs(RecordedRuns):
    """Has the runner do what tests look at."""

    def __init__(self, backend: LocalBackend, runner: StandIn) -> None:
        super().__init__(backend)
        self._runner = runner
        own = self.submitter
        self.submitter = _Submitter(own.backend, own.finder, own.judge, own.poller, runner)

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        return self._runner.poll(run_ids)


@dataclass(frozen=True, eq=False)
class _Submitter(RunSubmitter):
    runner: StandIn

    def spawn(self, request: TaskRequest, **options: Any) -> SpawnedTask:
        return self.runner.spawn(request, **options)


def make_runner(options: Mapping[str, Any]) -> StandIn:
    runner = StandIn(SlurmConfig.from_mapping(options))
    asked.append(runner)
    return runner
