"""From a launcher's YAML and `slurm_x=value` overrides to the runner they describe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.hydra_plugins.launcher_options import parse_options

_PREFIXES = ("++", "+")
_NODE = "hydra.launcher."


def make_slurm_runner(file: Path | None, overrides: Sequence[str]) -> SlurmRunner:
    """The runner of a launcher YAML (the defaults without one) with overrides on top.

    Raises ConfigError for a file that cannot be read, an unknown key, or another backend's YAML.
    """
    options: dict[str, Any] = {"use_slurm": True}
    if file is not None:
        options = _read(file)
    options.update(parse_overrides(overrides))
    runner = parse_options(options).make_runner()
    if not isinstance(runner, SlurmRunner):
        raise ConfigError(f"{file} is for the {runner.backend} backend; the doctor examines Slurm")
    return runner


def _read(file: Path) -> dict[str, Any]:
    try:
        found = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"the launcher file {file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"the launcher file {file} holds no keys; write lines `key: value`")
    # What it is based on are TMGG's own launchers, whose values are the defaults here, too.
    return {str(key): value for key, value in found.items() if key != "defaults"}


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
