"""One run through a TMGG launcher, without `-m`.

Hydra knows launchers in multirun only: without `-m` it would run the experiment right here, on the
login node, and say nothing. So this case is recognised before Hydra takes over. Hydra then writes
nothing on this side; the run's record has the config.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from tmgg.console import exit_codes, report
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.runs import ExperimentResult, TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request
from tmgg.experiment_utils.compose import SEARCH_PATH, compose_with_hydra, hydra_undisturbed
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.program.again import job_folder
from tmgg.experiment_utils.program.single import capture_process
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.task import prepare_config
from tmgg.hydra_plugins.dry_run import is_dry_run, print_dry_run
from tmgg.hydra_plugins.job_process import arguments_of
from tmgg.hydra_plugins.launcher_options import LauncherOptions, parse_options
from tmgg.hydra_plugins.resolving import as_in_job


@dataclass(frozen=True, slots=True)
class SingleRun:
    """A config and where to run it."""

    config: JsonDict
    options: LauncherOptions
    process: JsonDict | None = None
    """What the job's process takes over from this one: see `capture_process`."""


def find_single_run(arguments: Sequence[str], *, config_name: str) -> SingleRun | None:
    """The run that these arguments ask a TMGG launcher for; None when Hydra should do the work.

    Raises TmggError for options or a config that are not valid. A command line that does not
    compose is left to Hydra, which says why.
    """
    from hydra._internal.utils import get_args_parser

    args = get_args_parser().parse_args(list(arguments))
    other = (args.help, args.hydra_help, args.cfg, args.info, args.shell_completion)
    if any(other) or args.multirun or args.experimental_rerun or job_folder() is not None:
        return None
    with hydra_undisturbed():
        try:
            config = compose_with_hydra(
                args.overrides,
                config_dir=Path(args.config_dir) if args.config_dir else None,
                config_name=args.config_name or config_name,
                config_path=args.config_path or SEARCH_PATH,
            )
        except ConfigError:
            return None
        if config.hydra.mode == RunMode.MULTIRUN or not is_tmgg_launcher(config):
            return None
        _refuse_hydra_job_settings(config)
        with as_in_job(config, "hydra.run.dir"):
            options = parse_options(config.hydra.launcher)
            process = capture_process(config, arguments_of(config))
            return SingleRun(prepare_config(config), options, process)


def is_tmgg_launcher(config: DictConfig) -> bool:
    """Whether `hydra.launcher` is a TMGG launcher, under any name."""
    from tmgg.hydra_plugins.tmgg_launcher import TmggLauncher

    target = str(OmegaConf.select(config, "hydra.launcher._target_"))
    launcher = Plugins.instance().class_name_to_class.get(target)
    if launcher is None:
        raise ConfigError(
            f"hydra.launcher._target_={target!r} is not a launcher that Hydra knows; TMGG's is "
            "tmgg.hydra_plugins.tmgg_launcher.TmggLauncher"
        )
    return issubclass(launcher, TmggLauncher)


def submit(run: SingleRun) -> None:
    """Show the run, detach from it, or wait for its result. If it failed, exit with 1."""
    from tmgg.hydra_plugins.launching import detach, wait_for_run

    options = run.options
    runner = options.make_runner()
    request = as_request(
        TaskRequest(
            config=run.config,
            timeout_seconds=options.timeout_seconds,
            artifact_url=options.artifact_url,
            process=run.process,
        )
    )
    if options.dry_run or is_dry_run():
        print_dry_run(runner, [request])
    elif options.detach:
        detach(runner, request, cancel=options.cancel_on_interrupt)
    else:
        _report(wait_for_run(runner, request, cancel=options.cancel_on_interrupt))


def _refuse_hydra_job_settings(config: DictConfig) -> None:
    job = config.hydra.job
    for name, value in (("env_set", job.env_set), ("chdir", job.chdir)):
        if value:
            raise ConfigError(
                f"hydra.job.{name} acts only in Hydra's own jobs, and a single run is not one. "
                "Add -m, or set it in slurm_setup_commands (export NAME=value)."
            )


def _report(result: ExperimentResult) -> None:
    if result.status == "failed":
        report.print_failure(result)
        raise SystemExit(exit_codes.FAILED)
    places = {"output": _artifacts(result), "checkpoint": result.checkpoint_path}
    nodes = ", ".join(result.nodes)
    report.print_metrics(result.metrics, {**places, "log": result.output_path, "nodes": nodes})


def _artifacts(result: ExperimentResult) -> str | None:
    if result.config.get("output_dir") is not None:
        return str(result.config["output_dir"])
    if result.output_path is None:
        return None
    return str(RunPaths(Path(result.output_path).parent, result.run_id).artifacts)
