"""TmggLauncher: Hydra's jobs as TMGG's runs. It only translates; the runner does the work."""

import contextlib
import gc
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from tmgg.console import report
from tmgg.console.streams import all_may_be_lost, words_may_be_lost
from tmgg.console.sweep_summary import SweepRow, save_summary
from tmgg.console.visible import make_logs_visible, visible
from tmgg.errors import TaskError, TmggError
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import ExperimentResult, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.output_folders import refuse_long
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request, new_run_id
from tmgg.experiment_utils.cloud.sweep.planning import check_target
from tmgg.experiment_utils.identity.programs import Program, Programs, program_of
from tmgg.experiment_utils.run_folder.sweeps import sweep_of
from tmgg.experiment_utils.run_folder.task import target_of
from tmgg.hydra_plugins import hydra_job, job_returns
from tmgg.hydra_plugins.dry_run import end_dry_run, is_dry_run, print_dry_run
from tmgg.hydra_plugins.job_identity import experiment_of_own_app, identify_job
from tmgg.hydra_plugins.launcher_options import LauncherOptions, parse_options
from tmgg.hydra_plugins.launching import (
    SweepFolder,
    detach_sweep,
    interrupted_in_words,
    wait_for_sweep,
)
from tmgg.hydra_plugins.looking_ahead import look_ahead, refuse_at_once
from tmgg.hydra_plugins.placeholders import of_launch
from tmgg.hydra_plugins.resolver_cache import TIMES, cache_kept
from tmgg.hydra_plugins.resolving import (
    as_in_job,
    as_written,
    config_for_record,
    written_of_environment,
)
from tmgg.hydra_plugins.shared_folders import Writers
from tmgg.hydra_plugins.shown_failures import end_silently, silence_shown
from tmgg.hydra_plugins.sweep_composition import for_sweeps
from tmgg.hydra_plugins.sweep_name import sweep_name
from tmgg.hydra_plugins.sweepers import (
    may_need_values,
    refuse_detached,
    saying_what_is_left,
    sweeper_in_setup,
)

log = logging.getLogger(__name__)
JOBS_LOGGED = 50
_CURE_LONG = (
    "Choose a shorter hydra.sweep.dir or hydra.sweep.subdir (${hydra.job.num} is short); "
    "hydra.job.config.override_dirname.exclude_keys shortens override_dirname."
)


class LaunchError(CompactHydraException, TmggError):
    """A TmggError on its way through Hydra, which prints it without a traceback.

    `__cause__` is the error itself.
    """


class TmggLauncher(Launcher):
    """Runs each job of a multirun as a run of the chosen backend.

    The keyword arguments are the keys of `hydra.launcher` (see `launcher_options`). They are
    checked in `setup`, before Hydra writes anything.
    """

    def __init__(self, **options: Any) -> None:
        self._given = options
        self._options: LauncherOptions | None = None
        self._runner: CloudRunner | None = None
        self._hydra_context: HydraContext | None = None
        self._task_function: TaskFunction | None = None
        self._config: DictConfig | None = None
        self._sweeper: Sweeper | None = None
        self._rows: list[SweepRow] = []
        self._writers = Writers()
        self._made_anew = of_launch()
        self._launched: list[str] = []
        """The run ids that were asked for in the launches of the sweep so far."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        # The sweeper has the same context: it checks each job with this loader before a launch.
        hydra_context.config_loader = for_sweeps(hydra_context.config_loader)
        # Otherwise the many configs make the garbage collector look at all existing objects again
        # and again, which takes as long as all other work.
        gc.freeze()
        self._hydra_context = hydra_context
        self._task_function = task_function
        self._config = config
        self._sweeper = sweeper_in_setup()
        end_silently(self._sweeper)
        with words_may_be_lost(), _as_hydra_error(), self._before_submission():
            self._options = parse_options(self._given)
            if self._options.detach:
                refuse_detached(self._sweeper)
            self._runner = self._options.make_runner()
            # Check it before the sweeper makes it.
            folder = str(Path(str(config.hydra.sweep.dir)).absolute())
            refuse_long(folder, name="hydra.sweep.dir", cure=_CURE_LONG)
            if not self._options.dry_run and not is_dry_run():
                # Composing a thousand jobs takes far longer than asking.
                overrides = as_written(config.hydra.overrides.task)
                refuse_at_once(self._runner, self._options, overrides)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Launch one run per list of overrides, after all are composed and checked.

        The jobs are numbered from `initial_job_idx`. For a failed job the JobReturn says FAILED.
        With `detach` it says COMPLETED, which then means submitted; its value is the SpawnedTask.
        """
        assert self._options is not None
        assert self._runner is not None
        if not job_overrides:
            gc.unfreeze()  # see `setup`
            log.warning("This sweep has no jobs: a range, a glob or a list of values is empty.")
            return []
        with words_may_be_lost(), _as_hydra_error():
            with self._before_submission():
                jobs, usage = self._made_ready(job_overrides, initial_job_idx)
                configs = [partial(self._compose, job) for job in jobs]
                if self._options.dry_run or is_dry_run():
                    if may_need_values(self._sweeper):
                        end_dry_run()
                    return [job_returns.completed(config(), None) for config in configs]
                folder = self._folder_of(jobs)
                _log_launch(jobs, self._runner.backend, usage, is_new=not self._options.resume)
            self._launched += [str(job.request.run_id) for job in jobs]
            with all_may_be_lost(), saying_what_is_left(self._sweeper) as ended:
                ended += self._submit(jobs, configs, folder)
            return ended

    def _submit(
        self,
        jobs: "Sequence[_Job]",
        configs: Sequence[Callable[[], DictConfig]],
        folder: SweepFolder,
    ) -> Sequence[JobReturn]:
        """Submit, and wait for the end unless the launch is detached."""
        assert self._options is not None
        assert self._runner is not None
        requests = [job.request for job in jobs]
        if self._options.detach:
            spawned = detach_sweep(self._runner, requests, self._options, folder)
            return job_returns.of_spawned(configs, spawned)
        results = wait_for_sweep(self._runner, requests, self._options, folder)
        # Before the table, so that its warnings are above it.
        returns = job_returns.of_results(configs, results, metric=self._options.metric)
        are_failures_shown = self._report(jobs, results, folder.path)
        return silence_shown(returns, self._sweeper) if are_failures_shown else returns

    def _made_ready(
        self, job_overrides: Sequence[Sequence[str]], first_number: int
    ) -> "tuple[list[_Job], str]":
        """The checked jobs, and a line about what they may use. A dry run shows the jobs."""
        assert self._config is not None
        assert self._options is not None
        assert self._runner is not None
        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        make_logs_visible()
        try:
            jobs = self._jobs(job_overrides, first_number)
        finally:
            gc.unfreeze()  # see `setup`
        requests = [job.request for job in jobs]
        if self._options.dry_run or is_dry_run():
            print_dry_run(self._runner, requests, [job.title for job in jobs])
            return jobs, ""
        usage = look_ahead(
            self._runner,
            requests,
            self._options,
            imports=frozenset().union(*(job.imports for job in jobs)),
        )
        return jobs, usage

    def _folder_of(self, jobs: "Sequence[_Job]") -> SweepFolder:
        """Where the sweep writes. Makes the folder."""
        assert self._config is not None
        path = Path(str(self._compose(jobs[0]).hydra.sweep.dir))
        path.mkdir(parents=True, exist_ok=True)
        name = sweep_name(path, str(self._config.hydra.job.name))
        folders = [job.folder for job in jobs]
        return SweepFolder(path.absolute(), folders, name, frozenset(self._launched))

    def _before_submission(self) -> contextlib.AbstractContextManager[None]:
        more = "more of this sweep " if self._launched else ""
        return interrupted_in_words(f"nothing {more}was submitted")

    def _report(
        self, jobs: "Sequence[_Job]", results: Sequence[ExperimentResult], folder: Path
    ) -> bool:
        """Write files about all launches so far, and print this one's table; False if it cannot."""
        assert self._options is not None
        rows = [
            SweepRow(
                number=job.number,
                title=job.title,
                result=result,
                as_written=job.request.as_written,
                is_elsewhere=_is_elsewhere(job, result, folder),
            )
            for job, result in zip(jobs, results, strict=True)
        ]
        self._rows += rows
        try:
            save_summary(self._rows, self._options.ranking, folder)
        except Exception as error:  # the runs have ended; only their results matter
            log.warning("the summary of the sweep cannot be written in %s: %s", folder, error)
        try:
            report.print_sweep(rows, self._options.ranking)
        except Exception as error:  # as above
            log.warning("the table of the sweep cannot be printed: %s", error)
            return False
        return True

    def _jobs(self, job_overrides: Sequence[Sequence[str]], first_number: int) -> "list[_Job]":
        assert self._task_function is not None
        assert self._hydra_context is not None
        assert self._options is not None
        app = hydra_job.pack_app(self._task_function, self._hydra_context)
        programs = Programs()
        program = program_of(self._task_function, programs)
        sweep_id = new_run_id()
        self._writers.begin_launch()
        jobs = [
            self._job(
                overrides, number, app=app, program=program, programs=programs, sweep_id=sweep_id
            )
            for number, overrides in enumerate(job_overrides, first_number)
        ]
        if not self._options.share_output_dir:
            self._writers.refuse_shared(resume=self._options.resume)
        return jobs

    def _job(
        self,
        overrides: Sequence[str],
        number: int,
        *,
        app: bytes,
        program: Program,
        programs: Programs,
        sweep_id: str,
    ) -> "_Job":
        """The job without its config: a thousand configs would take most of the memory."""
        assert self._options is not None
        config = self._load(overrides, number)
        with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
            title = " ".join(filter_overrides(as_written(config.hydra.overrides.task)))
            is_own = self._is_own_app
            # The job has only those cached results that its folders and launch needed.
            with cache_kept(config, without=TIMES):
                record = self._record(config)
                of_environment = written_of_environment(config)
                if is_own:
                    program = experiment_of_own_app(target_of(record), programs)
                identity, program = identify_job(
                    config, record, program, programs, is_own_app=is_own, made_anew=self._made_anew
                )
            name = f"job #{number} ({title})"
            folders = self._checked_folders(config, record, name=name)
            self._writers.add(name, folders, key=identity.key)
            payload = hydra_job.pack_job(app, config)
            folder = str(Path(str(config.hydra.runtime.output_dir)).absolute())
        request = TaskRequest(
            config=record,
            # In another app's config, a key of this name has another meaning.
            run_id=(record.get("run_id") if is_own else None) or f"{sweep_id}-{number}",
            target=hydra_job.TARGET,
            payload=payload,
            timeout_seconds=self._options.timeout_seconds,
            artifact_url=self._options.artifact_url,
            title=title,
            as_written=of_environment,
            identity=identity,
        )
        return _Job(number, list(overrides), title, folder, as_request(request), program.imports)

    @property
    def _is_own_app(self) -> bool:
        """Whether the app is tmgg-experiment, whose config has keys that TMGG reads."""
        return hasattr(self._task_function, "plain_config")

    def _checked_folders(
        self, config: DictConfig, record: dict[str, Any], *, name: str
    ) -> list[str]:
        """The folders in which a job writes. Raises ConfigError for a path that is too long."""
        folder = Path(str(config.hydra.runtime.output_dir))
        folders = [str(folder)]
        refuse_long(str(folder / f"{config.hydra.job.name}.log"), name=name, cure=_CURE_LONG)
        refuse_long(str(folder / ".hydra" / "overrides.yaml"), name=name, cure=_CURE_LONG)
        if self._is_own_app and record.get("output_dir") is not None:
            own = str(Path(str(record["output_dir"])).expanduser().absolute())
            refuse_long(own, name=name, cure="Choose a shorter output_dir.")
            folders += [own] if own != str(folder) else []
        return folders

    def _compose(self, job: "_Job") -> DictConfig:
        config = self._load(job.overrides, job.number)
        with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
            return config

    def _load(self, overrides: Sequence[str], number: int) -> DictConfig:
        assert self._hydra_context is not None
        assert self._config is not None
        config = self._hydra_context.config_loader.load_sweep_config(self._config, list(overrides))
        with open_dict(config.hydra.job):
            config.hydra.job.num = number
            # Only the job knows the backend's own id, and sets it there.
            config.hydra.job.id = str(number)
        return config

    def _record(self, config: DictConfig) -> dict[str, Any]:
        """The config for the record. Call it only where `config` resolves as in the job."""
        # tmgg-experiment's own task function checks its config; other apps take anything.
        plain_config = getattr(self._task_function, "plain_config", None)
        if plain_config is None:
            return config_for_record(config)
        assert self._runner is not None
        try:
            record = dict(plain_config(config))
            check_target(self._runner.runs.traits, target_of(record))
            return record
        except TaskError as error:
            raise TaskError(f"job #{config.hydra.job.num}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Job:
    number: int
    overrides: list[str]
    title: str
    folder: str
    """Hydra's output folder of the job, absolute."""
    request: TaskRequest
    imports: frozenset[str]
    """Packages that the program imports."""


def _is_elsewhere(job: _Job, result: ExperimentResult, sweep_folder: Path) -> bool:
    if result.run_id == job.request.run_id or result.folder is None:
        return False  # a new run of this launch
    # Without `..` and symbolic links: hydra.sweep.dir may be given as ../sweeps/A or by a link.
    return not Path(os.path.realpath(result.folder)).is_relative_to(os.path.realpath(sweep_folder))


def _log_launch(jobs: Sequence[_Job], backend: str, usage: str, *, is_new: bool) -> None:
    """Log the jobs. Ids only if `is_new`: those of a resumed sweep are not known yet."""
    run_ids = [str(job.request.run_id) for job in jobs]
    sweeps = {sweep_of(run_id) for run_id in run_ids}
    # The runs are SWEEP-0, SWEEP-1, so the lines of the jobs need not repeat their ids.
    is_one = len(jobs) > 1 and len(sweeps) == 1 and None not in sweeps
    named = f"{backend}, sweep {sweeps.pop()}" if is_one and is_new else backend
    log.info("Launching %d jobs (%s)", len(jobs), named)
    if usage:
        log.info("%s", usage)
    for job, run_id in zip(jobs[:JOBS_LOGGED], run_ids, strict=False):
        more = "" if is_one or not is_new else f" (run {run_id})"
        log.info("\t#%d : %s%s", job.number, visible(job.title), more)
    if len(jobs) > JOBS_LOGGED:
        log.info("\t... and %d more", len(jobs) - JOBS_LOGGED)


@contextlib.contextmanager
def _as_hydra_error() -> Iterator[None]:
    try:
        yield
    except LaunchError:
        raise
    except TmggError as error:
        raise LaunchError(f"error: {visible(str(error))}") from error
