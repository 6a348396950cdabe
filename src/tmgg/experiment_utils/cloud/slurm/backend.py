"""Runs as Slurm jobs: one sbatch for each; any process on the shared file system can find them."""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.errors import SubmissionError, SubmissionUnknownError, SubmitLimitError
from tmgg.experiment_utils.cloud.backend import Backend, BackendTraits, Whereabouts
from tmgg.experiment_utils.cloud.judging.submission_claim import read_claim
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.runs import SweepMode
from tmgg.experiment_utils.cloud.runs_on_record.waiting import Clock
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.hints import SLURM_HINTS
from tmgg.experiment_utils.cloud.slurm.installed import require_commands
from tmgg.experiment_utils.cloud.slurm.planning.trial import render_trial
from tmgg.experiment_utils.cloud.slurm.refusal_advice import explain_refusal
from tmgg.experiment_utils.cloud.slurm.request.needed_ray import (
    check_ray_is_here,
    has_this_environment,
)
from tmgg.experiment_utils.cloud.slurm.request.rank_script import (
    check_nodes_are_used,
    check_takes_ranks,
)
from tmgg.experiment_utils.cloud.slurm.request.script import (
    EXECUTABLE_BY_OWNER,
    NO_TOKEN,
    Interpreter,
    leaves_token,
    refuse_other_bootstrap,
    render_script,
)
from tmgg.experiment_utils.cloud.slurm.request.usage import render_idle_nodes, render_usage
from tmgg.experiment_utils.cloud.slurm.site.site_check import Request, refuse_what_cannot_run
from tmgg.experiment_utils.cloud.slurm.submit.dependencies import Dependencies
from tmgg.experiment_utils.cloud.slurm.submit.packed_nodes import fitting
from tmgg.experiment_utils.cloud.slurm.submit.retrying import bad_nodes, changed
from tmgg.experiment_utils.cloud.slurm.submit.submission import Submitter, adopt
from tmgg.experiment_utils.cloud.slurm.view import view_jobs
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.extras import is_installed
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic, write_json
from tmgg.experiment_utils.run_folder.attempts import options_of, record_of
from tmgg.experiment_utils.run_folder.paths import JobFolder, SubmissionPaths, resolve_output_dir
from tmgg.experiment_utils.run_folder.registry import (
    RunRecord,
    WriteSubmission,
    load_intent,
    new_intent,
)
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles

log = logging.getLogger(__name__)

# A submission without a job is given up only this long after the end, or the last sign of life, of
# its submitter: the job may still appear.
SETTLE_S = 10.0
CheckConfig = Callable[[SlurmConfig], None]


class SlurmBackend(Backend):
    """Relative paths are resolved against the working directory at construction."""

    def __init__(
        self,
        config: SlurmConfig,
        client: SlurmClient,
        clock: Clock | None = None,
        *,
        check_config: CheckConfig = check_nodes_are_used,
    ) -> None:
        """`check_config` raises ConfigError for a config that makes no sense to submit."""
        base_dir = Path.cwd()
        self.config = config
        self.client = client
        self._clock = clock or Clock()
        self.check_config = check_config
        self._dependencies = Dependencies(client, self._clock)
        self.traits = BackendTraits(
            name="slurm",
            # Two clusters may have jobs with the same number.
            source="" if config.clusters is None else f"slurm {config.clusters}",
            output_dir=resolve_output_dir(config.output_dir, base_dir),
            base_dir=base_dir,
            settings=config.to_json(),
            hints=SLURM_HINTS,
            sweep_modes=("separate", "array", "packed"),
            default_sweep_mode=config.sweep_mode,
            poll_interval_s=config.poll_interval_s,
            grace_s=config.lost_grace_s,
            submit_patience_s=config.submit_timeout_s,
            default_timeout_s=config.time_limit_s,
            shares_environment=has_this_environment(config),
            proves_jobs=True,
            check_target=self._check_target,
            restarts_of=lambda settings: SlurmConfig.from_mapping(settings).restarts,
        )

    def _check_target(self, target: str) -> None:
        if self.config.sweep_mode != "packed":  # a packed sweep uses all nodes in its own way
            self.check_config(self.config)
        check_takes_ranks(target, self.config)
        if self.traits.shares_environment:
            check_ray_is_here(self.config, has_ray=is_installed("ray"))

    def check(self, submission: SubmissionPaths, *, gpu_type: str | None) -> WriteSubmission:
        config = self.needed_now(self._asked(gpu_type), submission)
        return self._prepare(submission, config, base=self.traits.base_dir)

    def write(
        self,
        draft: SubmissionPaths,
        final: SubmissionPaths,
        *,
        gpu_type: str | None,
        changes: RetryChanges | None,
    ) -> None:
        if changes is None:
            self.check(final, gpu_type=gpu_type)(draft, final)
            return
        # A retry uses the options on record; it may be made in another working directory.
        _, first_for = options_of(draft)
        earlier = range(first_for.number, final.number)
        config, base = _note_changes(draft, changes), Path(record_of(final).base_dir)
        begun_before = [final.run_paths.submission(number) for number in earlier]
        config = self._dependencies.apply(config, final, begun_before)
        options = record_of(draft).interpreter_options
        self._prepare(final, config, base=base, options=options)(draft, final)

    def start(self, submission: SubmissionPaths, record: RunRecord) -> str:
        return self.submit_folder(submission, base=Path(record.base_dir))

    def submit_folder(self, folder: JobFolder, *, base: Path) -> str:
        """Submit the script in `folder`; `base` is the working directory. Returns the job's id.

        Raises as `Submitter.submit`.
        """
        submitter = Submitter(self.client, self.config.submit_timeout_s, self._clock)
        self._dependencies.refuse_hopeless(folder)
        try:
            job_id = submitter.submit(folder, base=base)
        except (SubmissionUnknownError, SubmitLimitError):
            raise
        except SubmissionError as error:
            raise explain_refusal(self.client, error, self.config) from error.__cause__
        self._dependencies.note_sent(folder)
        return job_id

    def needed_now(self, config: SlurmConfig, folder: JobFolder) -> SlurmConfig:
        """The config for the submission in `folder`, without the dependencies that are met."""
        return self._dependencies.apply(config, folder)

    def adopt(self, folder: JobFolder) -> str | None:
        cluster = load_intent(folder).cluster
        if cluster is not None and cluster != self.client.cluster():
            return None  # the job can be looked up on that cluster only
        return adopt(self.client, folder, settle_s=SETTLE_S)

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        return view_jobs(self.client, job_ids)

    def view_again(self, job_ids: Sequence[str]) -> None:
        self.client.queue(job_ids)

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self.client.cancel(job_ids)

    def whereabouts(self, submission: SubmissionPaths) -> Whereabouts:
        claim = read_claim(SubmissionFiles(submission))
        if claim is None or claim.cluster is None:
            return Whereabouts()
        here = self.client.cluster()
        if here == claim.cluster:
            return Whereabouts()
        if here is None:
            return Whereabouts(is_surely_here=False)
        return Whereabouts(
            is_surely_here=False,
            elsewhere=f"it was submitted to the cluster {claim.cluster!r}, and this machine's is "
            f"{here!r}. Log in to {claim.cluster!r} for it",
        )

    def bad_nodes(self, nodes: str) -> list[str]:
        """See `NodeCritic`."""
        return bad_nodes(self.client, self.config.partition, nodes)

    def refuse_early(self, runs: int, mode: SweepMode, *, gpu_type: str | None) -> None:
        """See `SiteCritic`."""
        config = self._asked(gpu_type)
        if mode == "packed":
            refuse_other_bootstrap(config)
            config = replace(fitting(config, runs), ray_bootstrap="managed", tasks_per_node=None)
        base = self.traits.base_dir
        request = Request(config, render_trial(config, base=base), base)
        refuse_what_cannot_run(self.client, request, runs=runs)

    def usage(self, runs: int, mode: SweepMode) -> str:
        """See `SiteCritic`."""
        return render_usage(self.config, runs, mode)

    def idle_nodes(self, imports: frozenset[str], mode: SweepMode) -> str:
        """See `SiteCritic`."""
        return render_idle_nodes(self.config, imports, mode)

    def render_new(self, submission: SubmissionPaths) -> str:
        """The job script of a first submission."""
        return self._render(self.config, submission, base=self.traits.base_dir)

    def _prepare(
        self,
        final: SubmissionPaths,
        config: SlurmConfig,
        *,
        base: Path,
        options: Sequence[str] | None = None,
    ) -> WriteSubmission:
        """Render the script. Returns a function that writes the submission. Raises as `check`."""
        require_commands()
        intent = new_intent(final)
        script = self._render(config, final, base=base, token=intent.token, options=options)
        intent = replace(intent, evidence_has_token=leaves_token(script))

        def write(draft: SubmissionPaths, _final: SubmissionPaths) -> None:
            write_atomic(draft.script, script.encode(), mode=EXECUTABLE_BY_OWNER)
            if config.needs_token:
                write_atomic(draft.ray_token, secrets.token_hex(32).encode())
            write_json(draft.intent, replace(intent, cluster=self.client.cluster()).to_json())

        return write

    def _asked(self, gpu_type: str | None) -> SlurmConfig:
        return self.config if gpu_type is None else replace(self.config, gpu_type=gpu_type)

    def _render(
        self,
        config: SlurmConfig,
        paths: SubmissionPaths,
        *,
        base: Path,
        token: str = NO_TOKEN,
        options: Sequence[str] | None = None,
    ) -> str:
        """`options` are the interpreter's options on record; None means those of this process."""
        self.check_config(config)
        interpreter = Interpreter.submitting()
        if options is not None:
            interpreter = replace(interpreter, options=tuple(options))
        return render_script(config, paths, base=base, interpreter=interpreter, token=token)


def _note_changes(draft: SubmissionPaths, changes: RetryChanges) -> SlurmConfig:
    """The options of a retry. Options that differ from those on record are written to `draft`."""
    record, first_for = options_of(draft)
    if changes == RetryChanges():
        config = _config_on_record(record.settings, first_for)
        begun_with = record.unchanged_settings
    else:
        # `changes` holds all changes by the policy so far, so they apply to the first options.
        begun_with = record.unchanged_settings or record.settings
        config = changed(_config_on_record(begun_with, first_for), changes)
    if config != SlurmConfig.from_mapping(record.settings):
        new = replace(record, settings=config.to_json(), unchanged_settings=begun_with)
        write_json(draft.run, new.to_json())
    return config


def _config_on_record(settings: JsonDict, first_for: SubmissionPaths) -> SlurmConfig:
    """The options on record, for a run that is now submitted by itself.

    `first_for` is the submission that had these options first.
    """
    config = SlurmConfig.from_mapping(settings)
    if SubmissionFiles(first_for).packed_in is None:
        return config
    # A run of a packed sweep needs only a part of one node.
    return replace(config, nodes=1, nodelist=None, ray_bootstrap="none")
