"""The runner of Slurm: a backend and its ways to submit a sweep, put together."""

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.cloud.slurm.backend import SlurmBackend
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.command_lines import for_cluster, submit_argv
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.installed import require_commands
from tmgg.experiment_utils.cloud.slurm.planning.automatic import choose_partition
from tmgg.experiment_utils.cloud.slurm.planning.trial import render_trial
from tmgg.experiment_utils.cloud.slurm.submit.array_dispatch import ArrayDispatcher
from tmgg.experiment_utils.cloud.slurm.submit.packed_dispatch import PackedDispatcher
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan
from tmgg.experiment_utils.cloud.sweep.planning import check_target
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.task import target_of


class SlurmRunner(CloudRunner):
    """Runs experiments as Slurm jobs.

    Relative paths are resolved against the working directory at construction. If the partition is
    `auto`, it is chosen then, too. `client` and `clock` are for tests.
    """

    def __init__(
        self,
        slurm_config: SlurmConfig | None = None,
        *,
        client: SlurmClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Raises BackendError if the partition is `auto` and none can be chosen."""
        given = slurm_config or SlurmConfig()
        self.client = client or SlurmClient(cluster=given.clusters)
        base = Path.cwd()
        self.config = choose_partition(
            self.client, given, render=partial(render_trial, base=base), cwd=base
        )
        self.slurm = SlurmBackend(self.config, self.client, clock)
        super().__init__(slurm_runs(self.slurm, clock))

    def render_dry_run(self, request: TaskRequest) -> str:
        """Exactly what `spawn` would submit: command line and script. Writes nothing."""
        checked = as_request(request)
        assert checked.run_id is not None
        check_target(self.slurm.traits, checked.target or target_of(checked.config))
        script = RunPaths(self.output_dir, checked.run_id).submission(1).script
        argv = submit_argv(script, comment="tmgg:TOKEN")
        command = shlex.join(for_cluster(argv, self.config.clusters))
        return f"# {command}\n# in {self.base_dir}\n{self.render_job_script(checked)}"

    def render_job_script(self, request: TaskRequest) -> str:
        """The job script of a first submission of `request`, which must have a run id."""
        assert request.run_id is not None
        return self.slurm.render_new(RunPaths(self.output_dir, request.run_id).submission(1))


def slurm_runs(backend: SlurmBackend, clock: Clock | None = None) -> RecordedRuns:
    """The runs of a Slurm backend, with all of its ways to submit a sweep."""

    def as_array(
        runs: RecordedRuns, plan: SweepPlan, *, gpu_type: str | None, resume: bool
    ) -> ArrayDispatcher:
        require_commands()
        return ArrayDispatcher(backend, runs, plan, gpu_type=gpu_type, resume=resume)

    def packed(
        runs: RecordedRuns, plan: SweepPlan, *, gpu_type: str | None, resume: bool
    ) -> PackedDispatcher:
        require_commands()
        return PackedDispatcher(backend, runs, plan, gpu_type=gpu_type, resume=resume)

    return RecordedRuns(backend, {"array": as_array, "packed": packed}, clock=clock)


def make_runner(options: Mapping[str, Any]) -> SlurmRunner:
    """What the factory calls; `options` are fields of `SlurmConfig`."""
    return SlurmRunner(SlurmConfig.from_mapping(options))
