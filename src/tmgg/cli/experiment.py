"""`tmgg-experiment`: one config, run here or wherever the chosen launcher says.

A Hydra app, but for one thing: a TMGG launcher is obeyed with and without `-m` (see `single_run`).
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tmgg.cli import report
from tmgg.cli.arguments import dry_run_arguments, gather_overrides, split_dry_run
from tmgg.cli.errors import exit_with
from tmgg.cli.single_run import find_single_run, submit
from tmgg.errors import TaskError
from tmgg.experiment_utils.atomic_file import JsonDict
from tmgg.experiment_utils.compose import SEARCH_PATH
from tmgg.experiment_utils.context import current_run
from tmgg.experiment_utils.task import Experiment, load_target, prepare_config, target_of
from tmgg.hydra_plugins.dry_run import dry_run, is_dry_run
from tmgg.hydra_plugins.launcher_options import withdraw_tables

CONFIG_NAME = "config"
FULL_ERROR = "HYDRA_FULL_ERROR"


def main() -> None:
    """Console entry point."""
    with _errors_in_words():
        given, dry = split_dry_run(sys.argv[1:])
        arguments = gather_overrides(given)
        run = find_single_run(arguments, config_name=CONFIG_NAME)
        if run is not None:
            with dry_run() if dry else contextlib.nullcontext():
                submit(run)
            return
        with dry_run_arguments(given) if dry else contextlib.nullcontext(arguments) as own:
            _run_hydra(own)


def run_experiment(config: DictConfig) -> Mapping[str, Any] | None:
    """Hydra's task function: the experiment in this process, here or in a job."""
    if is_dry_run():
        _show(config)
        return None
    returned = run_here(config)
    if current_run() is None:
        _report(returned)
    return returned


def run_here(config: DictConfig) -> Mapping[str, Any]:
    """The experiment in this process, its files in Hydra's output folder unless told otherwise.

    Returns what it returned, checked: numbers by name, `checkpoint_path` if there is one.
    """
    from tmgg.experiment_utils.execute import parse_returned

    plain = plain_config(config)
    runtime = HydraConfig.get().runtime
    if plain.get("output_dir") is None:
        plain["output_dir"] = str(runtime.output_dir)
    if runtime.cwd not in sys.path:
        # hydra.job.chdir=true moves the working directory, but not where the user's modules are.
        sys.path.append(runtime.cwd)
    returned = call_experiment(_load(target_of(plain)), OmegaConf.create(plain))
    metrics, checkpoint = parse_returned(returned)
    return {**metrics, **({"checkpoint_path": checkpoint} if checkpoint else {})}


def _load(target: str) -> Experiment:
    """As `load_target`; at a terminal a module that is not there is a word, not a traceback."""
    try:
        return load_target(target)
    except ModuleNotFoundError as error:
        is_its_own = f"{target.partition(':')[0]}.".startswith(f"{error.name}.")
        if current_run() is not None or not is_its_own:
            raise
        raise TaskError(
            f"experiment._target_={target!r}: there is no module {error.name!r}, neither in "
            f"{Path.cwd()} nor in this environment"
        ) from error


def call_experiment(experiment: Experiment, config: DictConfig) -> Mapping[str, Any]:
    """A frame of its own, so that a traceback can be shown from here on (see `errors`)."""
    return experiment(config)


def plain_config(config: DictConfig) -> JsonDict:
    """The config as the experiment gets it. Raises TaskError for what no job could run."""
    plain = prepare_config(config)
    target_of(plain)
    return plain


def _run_hydra(arguments: list[str]) -> None:
    withdraw_tables()  # this app's search path has the YAML files
    # Not a decorator: that would set Hydra's version base for whoever imports this module.
    as_app = hydra.main(version_base="1.3", config_path=SEARCH_PATH, config_name=CONFIG_NAME)
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        as_app(run_experiment)()
    finally:
        sys.argv = before


@contextlib.contextmanager
def _errors_in_words() -> Iterator[None]:
    if os.environ.get(FULL_ERROR) == "1":
        yield
        return
    # Makes Hydra pass errors on instead of printing them its way and ending the process.
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        exit_with(error)
    finally:
        del os.environ[FULL_ERROR]


def _show(config: DictConfig) -> None:
    target = target_of(plain_config(config))
    sys.stdout.write(f"# {target} would run here, in this process: no TMGG launcher is chosen\n")
    sys.stdout.write("# dry run: nothing was run, nothing was written\n")


def _report(returned: Mapping[str, Any]) -> None:
    metrics = {name: value for name, value in returned.items() if name != "checkpoint_path"}
    places = {
        "output": str(HydraConfig.get().runtime.output_dir),
        "checkpoint": returned.get("checkpoint_path"),
    }
    report.print_metrics(metrics, places)


# What the launcher asks of each job's config before it submits one.
run_experiment.plain_config = plain_config  # type: ignore[attr-defined]

if __name__ == "__main__":
    main()
