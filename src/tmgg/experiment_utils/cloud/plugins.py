"""Backends that other packages bring, by entry points; looked up when an unknown name is asked for.

[project.entry-points."tmgg.runners"]
mine = "my_package.my_runner:make_runner"       # takes a mapping of options, returns a CloudRunner

[project.entry-points."tmgg.runner_configs"]    # optional: makes the launcher's keys mine_<field>
mine = "my_package.my_runner:MyConfig"          # a dataclass
"""

import functools
from importlib.metadata import entry_points

RUNNERS = "tmgg.runners"
CONFIGS = "tmgg.runner_configs"


@functools.cache
def found(group: str) -> dict[str, str]:
    """Name to `module:attribute`, of one of the two groups; nothing is imported."""
    return {point.name: point.value for point in entry_points(group=group)}
