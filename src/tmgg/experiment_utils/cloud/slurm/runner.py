"""Runs as Slurm jobs: one sbatch each, found again by any process on the shared file system."""

import logging
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tmgg.errors import SubmissionError, SubmissionUnknownError, SubmitLimitError
from tmgg.experiment_utils.atomic_file import write_atomic, write_json
from tmgg.experiment_utils.batch_index import packed_batch
from tmgg.experiment_utils.cloud.base import as_request
from tmgg.experiment_utils.cloud.dispatch import Dispatcher
from tmgg.experiment_utils.cloud.recorded import RecordedRunner
from tmgg.experiment_utils.cloud.runs import RunState, SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.slurm.array_dispatch import ArrayDispatcher
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient, require_commands, submit_argv
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.packed_dispatch import PackedDispatcher
from tmgg.experiment_utils.cloud.slurm.retrying import bad_nodes, changed
from tmgg.experiment_utils.cloud.slurm.script import Interpreter, render_script
from tmgg.experiment_utils.cloud.slurm.submission import Submitter, adopt, explain_refusal
from tmgg.experiment_utils.cloud.slurm.view import view_jobs
from tmgg.experiment_utils.cloud.sweep_policy import RetryChanges
from tmgg.experiment_utils.cloud.sweeping import SweepPlan
from tmgg.experiment_utils.cloud.verdict import JobView
from tmgg.experiment_utils.cloud.waiting import Clock
from tmgg.experiment_utils.paths import BatchPaths, JobFolder, RunPaths, SubmissionPaths
from tmgg.experiment_utils.registry import RunRecord, load_run, new_intent

log = logging.getLogger(__name__)

# Submissions are looked up once this much time has passed, so that a live submitter is not hurried.
SETTLE_S = 10.0
EXECUTABLE_BY_OWNER = 0o700


class SlurmRunner(RecordedRunner):
    """Runs experiments as Slurm jobs.

    Relative paths are resolved against the working directory at construction. `client` and `clock`
    are for tests.
    """

    backend = "slurm"
    sweep_modes = ("separate", "array", "packed")

    def __init__(
        self,
        slurm_config: SlurmConfig | None = None,
        *,
        client: SlurmClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = slurm_config or SlurmConfig()
        super().__init__(
            self.config.output_dir,
            poll_interval_s=self.config.poll_interval_s,
            grace_s=self.config.lost_grace_s,
        )
        self.client = client or SlurmClient()
        self._clock = clock or Clock()

    @property
    def default_sweep_mode(self) -> SweepMode:
        return self.config.sweep_mode

    @property
    def submit_patience_s(self) -> float:
        return self.config.submit_timeout_s

    @property
    def default_timeout_s(self) -> int | None:
        return self.config.time_limit_s

    def record_settings(self) -> dict[str, object]:
        return self.config.to_json()

    def render_dry_run(self, request: TaskRequest) -> str:
        """Exactly what `spawn` would submit: command line and script. Writes nothing."""
        checked = as_request(request)
        assert checked.run_id is not None
        script = RunPaths(self.output_dir, checked.run_id).submission(1).script
        command = shlex.join(submit_argv(script, comment="tmgg:TOKEN"))
        return f"# {command}\n# in {self.base_dir}\n{self.render_job_script(checked)}"

    def render_job_script(self, request: TaskRequest) -> str:
        """The job script of a first submission of `request`, which must have a run id."""
        assert request.run_id is not None
        paths = RunPaths(self.output_dir, request.run_id).submission(1)
        return self._render(self.config, paths)

    def check_submission(self, submission: SubmissionPaths, *, gpu_type: str | None) -> None:
        require_commands()
        self._render(self._config_of(submission.run_paths, gpu_type), submission)

    def write_submission(
        self, draft: SubmissionPaths, final: SubmissionPaths, *, gpu_type: str | None
    ) -> None:
        self._write(draft, final, self._config_of(final.run_paths, gpu_type))

    def write_retry(
        self, draft: SubmissionPaths, final: SubmissionPaths, changes: RetryChanges
    ) -> None:
        self._write(draft, final, changed(self._config_of(final.run_paths, None), changes))

    def _write(self, draft: SubmissionPaths, final: SubmissionPaths, config: SlurmConfig) -> None:
        require_commands()
        script = self._render(config, final)
        write_atomic(draft.script, script.encode(), mode=EXECUTABLE_BY_OWNER)
        if config.resolved_ray_bootstrap != "none":
            write_atomic(draft.ray_token, secrets.token_hex(32).encode())
        write_json(draft.intent, new_intent().to_json())

    def start(self, submission: SubmissionPaths) -> str:
        base = Path(load_run(submission.run_paths).base_dir)
        return self.submit_folder(submission, base=base)

    def submit_folder(self, folder: JobFolder, *, base: Path) -> str:
        """The job of what was written down in `folder`, submitted from `base`.

        Raises as `Submitter.submit`.
        """
        submitter = Submitter(self.client, self.config.submit_timeout_s, self._clock)
        try:
            return submitter.submit(folder, base=base)
        except (SubmissionUnknownError, SubmitLimitError):
            raise
        except SubmissionError as error:
            raise explain_refusal(self.client, error) from error.__cause__

    def adopt(self, submission: SubmissionPaths) -> str | None:
        return self._adopt(submission)

    def adopt_batch(self, batch: BatchPaths) -> str | None:
        return self._adopt(batch)

    def _adopt(self, folder: JobFolder) -> str | None:
        budget_s = self.config.submit_timeout_s
        return adopt(self.client, folder, budget_s=budget_s, settle_s=SETTLE_S)

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        return view_jobs(self.client, job_ids)

    def cancel_job(self, job_id: str) -> None:
        self.client.cancel([job_id])

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self.client.cancel(job_ids)

    def restarts_of(self, record: RunRecord) -> int:
        return SlurmConfig.from_mapping(record.settings).restarts

    def dispatcher(self, plan: SweepPlan, *, gpu_type: str | None, resume: bool) -> Dispatcher:
        if plan.mode == "array":
            require_commands()
            return ArrayDispatcher(self, plan, gpu_type=gpu_type, resume=resume)
        if plan.mode == "packed":
            require_commands()
            return PackedDispatcher(self, plan, gpu_type=gpu_type, resume=resume)
        return super().dispatcher(plan, gpu_type=gpu_type, resume=resume)

    def bad_nodes(self, state: RunState) -> list[str]:
        return bad_nodes(self.client, self.config.partition, state.nodes)

    def _config_of(self, paths: RunPaths, gpu_type: str | None) -> SlurmConfig:
        config = self.config
        if paths.run.exists():
            # A retry keeps the settings of the record, whatever this runner was made with.
            config = SlurmConfig.from_mapping(load_run(paths).settings)
            if any(packed_batch(paths.submission(each)) for each in paths.submission_numbers()):
                # It never needed more than a part of a node.
                config = replace(config, nodes=1, nodelist=None, ray_bootstrap="none")
        return config if gpu_type is None else replace(config, gpu_type=gpu_type)

    def _render(self, config: SlurmConfig, paths: SubmissionPaths) -> str:
        # A retry may come from another directory; sbatch is called in the record's (see start).
        run = paths.run_paths
        base = Path(load_run(run).base_dir) if run.run.exists() else self._base_dir
        return render_script(config, paths, base=base, interpreter=Interpreter.submitting())


def make_runner(options: Mapping[str, Any]) -> SlurmRunner:
    """For the factory: `options` are `SlurmConfig` fields."""
    return SlurmRunner(SlurmConfig.from_mapping(options))
