"""Composes a launcher file outside an app with Hydra, so its `defaults` count as in an app.

Hydra finds files by group and name, so the file's folder is used as the group `hydra/launcher`,
wherever it is. Hydra also searches where each app does: TMGG's own launchers, those of other
packages, and this user's profiles.
"""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tmgg.errors import ConfigError
from tmgg.hydra_plugins.profiles import profile_folder

_GROUP = Path("hydra") / "launcher"
_SUFFIX = ".yaml"
# Hydra's own errors, and what it raises for a list of defaults in a wrong form.
_COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    YAMLError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
)


def compose_launcher(file: Path) -> dict[str, Any]:
    """The keys of the file, over those of the files that its `defaults` name.

    Raises ConfigError if Hydra does not find such a default, or cannot compose them.
    """
    if file.suffix != _SUFFIX:
        raise ConfigError(
            f"the launcher file {file} has `defaults`, which Hydra composes, and Hydra reads only "
            f"files whose names end with {_SUFFIX}; rename it"
        )
    try:
        with _config_folder(file) as folder, warnings.catch_warnings():
            # Hydra warns of a missing `_self_` when an app launches, so not here, too.
            warnings.simplefilter("ignore")
            with initialize_config_dir(str(folder), version_base="1.3"):
                whole = compose(
                    overrides=[f"hydra/launcher={_quoted(file.stem)}"], return_hydra_config=True
                )
    except _COMPOSITION_ERRORS as error:
        raise ConfigError(
            f"the launcher file {file} cannot be composed: {_words(error)}"
        ) from error
    except RecursionError as error:
        raise ConfigError(
            f"the `defaults` of the launcher file {file} lead in a circle: a file is based on "
            "itself, or has the name of the one that it is based on"
        ) from error
    return _plain(whole.hydra.launcher)


@contextlib.contextmanager
def _config_folder(file: Path) -> Iterator[Path]:
    """A folder in which the file is `hydra/launcher/NAME.yaml`. It is temporary, if need be."""
    beside = file.absolute().parent
    if beside.parts[-2:] == _GROUP.parts:
        yield beside.parents[1]
        return
    with tempfile.TemporaryDirectory(prefix="tmgg-launcher-") as made:
        group = Path(made) / _GROUP
        group.parent.mkdir()
        group.symlink_to(beside, target_is_directory=True)
        yield Path(made)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _words(error: Exception) -> str:
    """The message. For a missing default, leave out Hydra's list with the temporary folder."""
    if not isinstance(error, MissingConfigException):
        return str(error)
    what, _, _places = str(error).partition("\n")
    return (
        f"{what.rstrip('.')}. Launchers are looked for in the folder of the file, among those of "
        f"installed packages (tmgg_slurm and others), and in {profile_folder() / _GROUP}."
    )


def _plain(launcher: DictConfig) -> dict[str, Any]:
    return {str(key): _value(launcher, str(key)) for key in launcher}


def _value(launcher: DictConfig, key: str) -> Any:
    """The resolved value; the text as written if it refers to a key that only an app has."""
    try:
        value = launcher[key]
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except OmegaConfBaseException:
        node = launcher._get_node(key)
        return OmegaConf.to_container(node) if OmegaConf.is_config(node) else str(node)
