"""The task function of `tmgg-experiment`: the experiment of a config, in this process.

Hydra names the job after this file.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tmgg.console import report
from tmgg.console.printing import put
from tmgg.errors import TaskError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.job.context import current_run
from tmgg.experiment_utils.job.metrics import BARE_NAME, CHECKPOINT, check_returned
from tmgg.experiment_utils.run_folder.task import Experiment, load_target, prepare_config, target_of
from tmgg.hydra_plugins.dry_run import is_dry_run


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
    """Run the experiment in this process. Without `output_dir`, it gets Hydra's output folder.

    Returns its checked result: numbers by name, and `checkpoint_path` if there is one.
    """
    plain = plain_config(config)
    runtime = HydraConfig.get().runtime
    if plain.get("output_dir") is None:
        plain["output_dir"] = str(runtime.output_dir)
    if runtime.cwd not in sys.path:
        # With hydra.job.chdir=true the working directory is not where the user's modules are.
        sys.path.append(runtime.cwd)
    returned = call_experiment(_load(target_of(plain)), OmegaConf.create(plain))
    metric = OmegaConf.select(cast(DictConfig, HydraConfig.get()), "launcher.metric")
    found = check_returned(returned, bare_name=metric or BARE_NAME)
    checkpoint = found.checkpoint_path
    return {**found.metrics, **({CHECKPOINT: checkpoint} if checkpoint else {})}


def _load(target: str) -> Experiment:
    """Like `load_target`, but outside a job a missing module is a TaskError, not a traceback."""
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
    """Call the experiment. Tracebacks are shown from this frame on (see `errors`)."""
    return experiment(config)


def plain_config(config: DictConfig) -> JsonDict:
    """The config as the experiment gets it. Raises TaskError if no job could run it."""
    plain = prepare_config(config)
    target_of(plain)
    return plain


def _show(config: DictConfig) -> None:
    target = target_of(plain_config(config))
    put(f"# {target} would run here, in this process: no TMGG launcher is chosen")
    put("# dry run: nothing was run, nothing was written")


def _report(returned: Mapping[str, Any]) -> None:
    metrics = {name: value for name, value in returned.items() if name != "checkpoint_path"}
    places = {
        "output": str(HydraConfig.get().runtime.output_dir),
        "checkpoint": returned.get("checkpoint_path"),
    }
    report.print_metrics(metrics, places)


# The launcher calls it with each job's config before it submits one.
run_experiment.plain_config = plain_config  # type: ignore[attr-defined]
