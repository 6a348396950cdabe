"""Loads a user's classes and functions, which a config names as `package.module:name`."""

import importlib
import sys
from pathlib import Path
from typing import Any

from tmgg.errors import ConfigError


def is_import_path(name: object) -> bool:
    """Whether `name` is an import path, not the name of a built-in choice."""
    return isinstance(name, str) and ":" in name


def load_by_path(path: str, *, key: str) -> Any:
    """The object with the name `package.module:name`; the working directory is searched, too.

    Raises a ConfigError that names `key` if there is none. Errors inside the module are not caught.
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
