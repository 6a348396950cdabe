"""TmggLauncher: Hydra's jobs as TMGG's runs. Translation only; the runner does the work."""

import contextlib
import gc
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from tmgg.cli import report
from tmgg.cli.sweep_summary import SweepRow, save_summary
from tmgg.errors import TaskError, TmggError
from tmgg.experiment_utils.cloud.base import CloudRunner, as_request, new_run_id
from tmgg.experiment_utils.cloud.runs import ExperimentResult, TaskRequest
from tmgg.hydra_plugins import hydra_job, job_returns
from tmgg.hydra_plugins.dry_run import is_dry_run, print_dry_run
from tmgg.hydra_plugins.launcher_options import LauncherOptions, parse_options
from tmgg.hydra_plugins.launching import detach_sweep, wait_for_sweep
from tmgg.hydra_plugins.resolving import as_in_job, config_for_record
from tmgg.hydra_plugins.sweep_composition import for_sweeps

log = logging.getLogger(__name__)
JOBS_LOGGED = 50


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
        self._rows: list[SweepRow] = []

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        # The sweeper has this context, too: it checks each job with the loader before a launch.
        hydra_context.config_loader = for_sweeps(hydra_context.config_loader)
        # Each config that comes and goes would have the garbage collector look at all that is there
        # already, which takes as long as all the rest.
        gc.freeze()
        self._hydra_context = hydra_context
        self._task_function = task_function
        self._config = config
        with _as_hydra_error():
            self._options = parse_options(self._given)
            self._runner = self._options.make_runner()

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """One run per list of overrides, all composed and checked before the first is submitted.

        The jobs are numbered from `initial_job_idx`. A job that failed is a JobReturn that says so;
        with `detach` each says COMPLETED, which then means submitted, and returns its SpawnedTask.
        """
        assert self._config is not None
        assert self._options is not None
        assert self._runner is not None
        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        with _as_hydra_error():
            try:
                jobs = self._jobs(job_overrides, initial_job_idx)
            finally:
                gc.unfreeze()  # see `setup`
            requests = [job.request for job in jobs]
            configs = [partial(self._compose, job) for job in jobs]
            if self._options.dry_run or is_dry_run():
                print_dry_run(self._runner, requests, [job.title for job in jobs])
                return [job_returns.completed(config(), None) for config in configs]
            sweep_dir = Path(str(self._compose(jobs[0]).hydra.sweep.dir))
            sweep_dir.mkdir(parents=True, exist_ok=True)
            _log_launch(jobs, self._runner.backend)
            if self._options.detach:
                spawned = detach_sweep(self._runner, requests, self._options)
                return job_returns.of_spawned(configs, spawned)
            results = wait_for_sweep(self._runner, requests, self._options)
            self._report(jobs, results, sweep_dir)
            return job_returns.of_results(configs, results, metric=self._options.metric)

    def _report(
        self, jobs: "Sequence[_Job]", results: Sequence[ExperimentResult], folder: Path
    ) -> None:
        """The table of this launch; files about all launches of the sweep so far."""
        assert self._options is not None
        rows = [
            SweepRow(number=job.number, title=job.title, result=result)
            for job, result in zip(jobs, results, strict=True)
        ]
        report.print_sweep(rows, self._options.ranking)
        self._rows += rows
        try:
            save_summary(self._rows, self._options.ranking, folder)
        except OSError as error:
            log.warning("the summary of the sweep cannot be written in %s: %s", folder, error)

    def _jobs(self, job_overrides: Sequence[Sequence[str]], first_number: int) -> "list[_Job]":
        assert self._task_function is not None
        assert self._hydra_context is not None
        app = hydra_job.pack_app(self._task_function, self._hydra_context)
        sweep_id = new_run_id()
        return [
            self._job(overrides, number, app=app, sweep_id=sweep_id)
            for number, overrides in enumerate(job_overrides, first_number)
        ]

    def _job(self, overrides: Sequence[str], number: int, *, app: bytes, sweep_id: str) -> "_Job":
        """The job without its config: a thousand configs take more memory than all the rest."""
        assert self._options is not None
        config = self._load(overrides, number)
        record = self._record(config)
        title = " ".join(filter_overrides(config.hydra.overrides.task))
        request = TaskRequest(
            config=record,
            run_id=record.get("run_id") or f"{sweep_id}-{number}",
            target=hydra_job.TARGET,
            payload=hydra_job.pack_job(app, config),
            timeout_seconds=self._options.timeout_seconds,
            artifact_url=self._options.artifact_url,
            title=title,
        )
        return _Job(number, list(overrides), title, as_request(request))

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
            # The backend's own id is known in the job only, where it takes this one's place.
            config.hydra.job.id = str(number)
        return config

    def _record(self, config: DictConfig) -> dict[str, Any]:
        with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
            # tmgg-experiment's own task function knows what it takes; other apps take anything.
            plain_config = getattr(self._task_function, "plain_config", None)
            if plain_config is not None:
                try:
                    return dict(plain_config(config))
                except TaskError as error:
                    raise TaskError(f"job #{config.hydra.job.num}: {error}") from error
            return config_for_record(config)


@dataclass(frozen=True, slots=True)
class _Job:
    number: int
    overrides: list[str]
    title: str
    request: TaskRequest


def _log_launch(jobs: Sequence[_Job], backend: str) -> None:
    log.info("Launching %d jobs (%s)", len(jobs), backend)
    for job in jobs[:JOBS_LOGGED]:
        log.info("\t#%d : %s (run %s)", job.number, job.title, job.request.run_id)
    if len(jobs) > JOBS_LOGGED:
        log.info("\t... and %d more", len(jobs) - JOBS_LOGGED)


@contextlib.contextmanager
def _as_hydra_error() -> Iterator[None]:
    try:
        yield
    except LaunchError:
        raise
    except TmggError as error:
        raise LaunchError(f"error: {error}") from error
