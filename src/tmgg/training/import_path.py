"""Classes and functions of somebody's own, named in a config as `package.module:name`."""

import importlib
import sys
from pathlib import Path
from typing import Any

from tmgg.errors import ConfigError


def is_import_path(name: object) -> bool:
    """Whether it names something in a module, and not one of the built-in choices."""
    return isinstance(name, str) and ":" in name


def load_by_path(path: str, *, key: str) -> Any:
    """What `package.module:name` names; modules in the working directory count.

    Raises ConfigError that names `key` when there is none; an error inside the module passes.
    """
    module_name, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    found: Any
    try:
        found = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part, None)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        found = None
    if found is None:
        raise ConfigError(f"{key} is {path!r}; there is no {name!r} in a module {module_name!r}")
    return found
