"""Backends of other packages, found by entry points when TMGG does not know a backend's name.

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
    """The entry points of one of the two groups, name to `module:attribute`. Imports nothing."""
    return {point.name: point.value for point in entry_points(group=group)}


@functools.cache
def fields_of(target: str, backend: str) -> "tuple[dataclasses.Field[Any], ...]":
    """The fields of a backend's config class. If it cannot be loaded: no fields, and a warning."""
    module, _, name = target.partition(":")
    try:
        return dataclasses.fields(getattr(importlib.import_module(module), name))
    except Exception as error:  # every Hydra app runs this; one bad package must not break them
        log.warning(
            "the config class of the backend %s (%s) cannot be used: %s: %s",
            *(backend, target, type(error).__name__, error),
        )
        return ()
