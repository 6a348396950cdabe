"""Optional dependencies: what to install when one is missing."""

import importlib
from types import ModuleType

from tmgg.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """The module; raises MissingExtraError, naming the install command, when it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, and broken
        raise MissingExtraError(
            f'{purpose} needs the package {module}. Install it: pip install "tmgg[{extra}]"'
        ) from error
