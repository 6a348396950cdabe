"""Backends that other packages bring, by entry points; looked up when an unknown name is asked for.

[project.entry-points."tmgg.runners"]
mine = "my_package.my_runner:make_runner"       # takes a mapping of options, returns a CloudRunner

[project.entry-points."tmgg.runner_configs"]    # optional: makes the launcher's keys mine_<field>
mine = "my_package.my_runner:MyConfig"          # a dataclass
"""

import dataclasses
import functools
import importlib
import logging
from importlib.metadata import entry_points
from typing import Any

log = logging.getLogger(__name__)

RUNNERS = "tmgg.runners"
CONFIGS = "tmgg.runner_configs"


@functools.cache
def found(group: str) -> dict[str, str]:
    """Name to `module:attribute`, of one of the two groups; nothing is imported."""
    return {point.name: point.value for point in entry_points(group=group)}


@functools.cache
def fields_of(target: str, backend: str) -> "tuple[dataclasses.Field[Any], ...]":
    """The fields of a backend's config class; none, and one warning, where it cannot be loaded."""
    module, _, name = target.partition(":")
    try:
        return dataclasses.fields(getattr(importlib.import_module(module), name))
    except Exception as error:  # every Hydra app comes by here; one bad package must not break them
        log.warning(
            "the config class of the backend %s (%s) cannot be used: %s: %s",
            *(backend, target, type(error).__name__, error),
        )
        return ()
