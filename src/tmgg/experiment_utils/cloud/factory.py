"""Backend name to runner: one visible table, nothing imported until it is asked for."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.base import CloudRunner

BACKENDS: dict[str, str] = {
    "local": "tmgg.experiment_utils.cloud.local:make_runner",
    "modal": "tmgg.experiment_utils.cloud.modal.runner:make_runner",
    "ray": "tmgg.experiment_utils.cloud.ray_runner:make_runner",
    "slurm": "tmgg.experiment_utils.cloud.slurm.runner:make_runner",
}


def make_runner(backend: str, options: Mapping[str, Any] | None = None) -> CloudRunner:
    """The runner of a backend; `options` are the fields of its config class.

    Raises ConfigError for an unknown backend or option, naming the known ones.
    """
    if backend not in BACKENDS:
        raise ConfigError(unknown_name("backend", backend, BACKENDS))
    module, _, function = BACKENDS[backend].partition(":")
    runner = getattr(importlib.import_module(module), function)(dict(options or {}))
    assert isinstance(runner, CloudRunner)
    return runner


def unknown_name(what: str, given: str, known: Mapping[str, Any] | list[str]) -> str:
    """A message that lists what exists and points at the nearest."""
    near = difflib.get_close_matches(given, list(known), n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {given!r}.{guess} Known: {', '.join(sorted(known))}."
