"""Composes experiment configs in Python, as the command line does."""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, open_dict

from tmgg.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.config_search_path import ConfigSearchPath

SEARCH_PATH = "pkg://tmgg.exp_configs"


def compose_config(
    overrides: Sequence[str] = (), *, config_dir: Path | None = None, config_name: str = "config"
) -> DictConfig:
    """The config that `tmgg-experiment <overrides>` would run, for `SlurmRunner.run_experiment`.

    `config_dir` is a folder of your own configs, as with `--config-dir`. You can call this inside
    another Hydra app, whose state does not change. `${hydra:...}` does not resolve, because there
    is no Hydra job.

        config = compose_config(["+stage=stage1_poc", "seed=7"])
        result = LocalRunner().run_experiment(config)

    Raises ConfigError, with Hydra's message, if Hydra cannot compose the config.
    """
    with hydra_undisturbed():
        config = compose_with_hydra(overrides, config_dir=config_dir, config_name=config_name)
    with open_dict(config):
        del config["hydra"]
    return config


def compose_with_hydra(
    overrides: Sequence[str],
    *,
    config_dir: Path | None,
    config_name: str,
    config_path: str = SEARCH_PATH,
) -> DictConfig:
    """As `compose_config`, with the `hydra` node. Only inside `hydra_undisturbed`."""
    # Imported here: Hydra takes a tenth of a second, and jobs with a config file do not need it.
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.hydra import Hydra
    from hydra.errors import HydraException
    from hydra.types import RunMode

    try:
        loader = ConfigLoaderImpl(config_search_path=_search_path(config_path, config_dir))
        return Hydra(task_name="experiment", config_loader=loader).compose_config(
            config_name=config_name,
            overrides=list(overrides),
            run_mode=RunMode.RUN,
            from_shell=False,
        )
    except HydraException as error:
        words = filter(None, [str(error), str(error.__cause__ or "")])
        raise ConfigError("\n".join(words)) from error


def _search_path(config_path: str, config_dir: Path | None) -> "ConfigSearchPath":
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery

    search_path = create_config_search_path(config_path)
    if config_dir is not None:
        if not config_dir.is_dir():
            raise ConfigError(f"config_dir={str(config_dir)!r} is no folder")
        search_path.prepend(
            provider="command-line",
            path=f"file://{config_dir.absolute()}",
            anchor=SearchPathQuery(provider="schema"),
        )
    return search_path


@contextlib.contextmanager
def hydra_undisturbed() -> Iterator[None]:
    """Use copies of Hydra's global state within the `with` block, then restore the original."""
    from hydra import version
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins
    from hydra.core.singleton import Singleton
    from hydra.core.utils import JobRuntime

    from tmgg.hydra_plugins.launcher_options import withdraw_tables

    Plugins.instance()  # the plugins are found before the copy: this is slow, and done once
    before = dict(Singleton._instances)
    try:
        for kind in (ConfigStore, JobRuntime, version.VersionBase):
            if kind in before:
                Singleton._instances[kind] = copy.deepcopy(before[kind])
        version.setbase("1.3")
        withdraw_tables()
        yield
    finally:
        Singleton._instances.clear()
        Singleton._instances.update(before)
