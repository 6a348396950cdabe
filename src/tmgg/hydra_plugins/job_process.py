"""Hydra's side of a job's process: its plugins, its state, its command line."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from omegaconf import DictConfig, OmegaConf

from tmgg.errors import TaskError
from tmgg.experiment_utils.program import again
from tmgg.experiment_utils.program.script import MAIN
from tmgg.hydra_plugins.resolving import as_written

# These overrides choose where a sweep's jobs run. A single job does not use them.
_OF_THE_SWEEP = (
    "hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweeper", "hydra.sweep",
    "hydra.mode", "hydra.run",
)  # fmt: skip
_CONFIG_FLAGS = ("config_path", "config_name", "config_dir")
_scanned: list[str] = []
"""The folders in which the plugins were found."""


def arguments_of(config: DictConfig) -> list[str]:
    """The command line that runs only this job: its overrides, and where its config is."""
    asked = _overrides(config, "hydra")
    of_hydra = [each for each in asked if not each.lstrip("+~").startswith(_OF_THE_SWEEP)]
    return [*_config_flags(), *of_hydra, *_overrides(config, "task")]


def _overrides(config: DictConfig, kind: str) -> list[str]:
    return as_written(OmegaConf.select(config, f"hydra.overrides.{kind}") or OmegaConf.create([]))


def _config_flags() -> list[str]:
    try:
        with contextlib.redirect_stderr(None):
            given, _others = get_args_parser().parse_known_args(sys.argv[1:])
    except SystemExit:  # not a command line of Hydra
        return []
    flags = ((name, getattr(given, name)) for name in _CONFIG_FLAGS)
    return [f"--{name.replace('_', '-')}={value}" for name, value in flags if value is not None]


def know_plugins() -> None:
    """Let Hydra find its plugins, before any pickle is opened that may have instances of them.

    Hydra runs the plugins' modules to find them, even again, and so makes new classes with the same
    names. Instances from before could not be pickled any more.
    """
    try:
        places = list(importlib.import_module("hydra_plugins").__path__)
    except ImportError:
        places = []
    if places != _scanned:
        Singleton._instances.pop(Plugins, None)
    Plugins.instance()
    _scanned[:] = places


def set_state(state: dict[str, Any]) -> None:
    """Take over Hydra's state of the submitting process, but keep this process's plugins."""
    state["instances"][Plugins] = Plugins.instance()
    Singleton.set_state(state)


@contextlib.contextmanager
def no_app_starts() -> Iterator[None]:
    """Inside, a script that is loaded may define a Hydra app but not start it."""
    module: Any = sys.modules["hydra.main"]
    started = module._run_hydra

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise TaskError(
            f"{getattr(sys.modules[MAIN], '__file__', 'the script')} starts its Hydra app when a "
            'job loads it. Call it under `if __name__ == "__main__":`.'
        )

    module._run_hydra = refuse
    try:
        yield
    finally:
        module._run_hydra = started


def join_job_folder() -> None:
    """In a process that runs a job's command line again: make it one run, in the job's folder.

    Called while Hydra searches for the plugins of an app that starts.
    """
    folder = again.job_folder()
    if folder is None or getattr(Hydra.run, "is_again", False):
        return
    hydra_class: Any = Hydra
    run = hydra_class.run
    own = [f"hydra.run.dir={_quoted(folder)}", "hydra.output_subdir=null", "hydra.mode=RUN"]

    def run_again(
        self: Hydra, config_name: str | None, task_function: Any, overrides: list[str], **more: Any
    ) -> Any:
        asked = [each for each in overrides if not each.startswith("hydra.mode=")]
        return run(self, config_name, task_function, [*asked, *own], **more)

    run_again.is_again = True  # type: ignore[attr-defined]
    hydra_class.run = hydra_class.multirun = run_again


def _quoted(path: str) -> str:
    """The path as a quoted value in Hydra's grammar of overrides."""
    escaped = path.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return f"'{escaped}'"
