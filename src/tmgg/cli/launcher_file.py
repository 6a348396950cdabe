"""From a launcher's YAML and `slurm_x=value` overrides to the runner they describe."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.files.looking import is_there
from tmgg.hydra_plugins.launcher_options import parse_options
from tmgg.hydra_plugins.profiles import profile_file

_PREFIXES = ("++", "+")
_NODE = "hydra.launcher."


def make_slurm_runner(file: Path | None, overrides: Sequence[str]) -> SlurmRunner:
    """The runner for the options of a launcher YAML and the overrides, which count more.

    Without a file, the options are the defaults.

    Raises as `read_options`, and ConfigError for another backend's YAML.
    """
    return runner_of(read_options(file, overrides), file)


def read_options(file: Path | None, overrides: Sequence[str]) -> dict[str, Any]:
    """The launcher's keys in a YAML (without a file: `use_slurm` only), and the overrides.

    Raises ConfigError for a file that cannot be read, or a text that is not an override.
    """
    options: dict[str, Any] = {"use_slurm": True} if file is None else _read(_found(file))
    return options | parse_overrides(overrides)


def runner_of(options: Mapping[str, Any], file: Path | None = None) -> SlurmRunner:
    """Raises ConfigError for an unknown key, or if the options are for another backend."""
    runner = parse_options(options).make_runner()
    if not isinstance(runner, SlurmRunner):
        raise ConfigError(f"{file} is for the {runner.backend} backend; this command asks Slurm")
    return runner


def _found(file: Path) -> Path:
    """The file, or the file of the profile with this name."""
    is_name = file.name == str(file) and not file.suffix
    profile = profile_file(file.name)
    return profile if is_name and not is_there(file) and is_there(profile) else file


def _read(file: Path) -> dict[str, Any]:
    try:
        found = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"the launcher file {file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"the launcher file {file} holds no keys; write lines `key: value`")
    if "defaults" not in found:
        return {str(key): value for key, value in found.items()}
    from tmgg.hydra_plugins.composed_launcher import compose_launcher  # imports all of Hydra

    return compose_launcher(file)


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """The values as Hydra reads them: `12:00:00` is text, `[a,b]` a list. Raises ConfigError."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        return {_key(str(item.key_or_group)): item.value() for item in parsed}
    except HydraException as error:
        raise ConfigError(
            f"not an override: {error}. Write key=value, as in slurm_nodes=2."
        ) from error


def _key(text: str) -> str:
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return text.removeprefix(_NODE)
