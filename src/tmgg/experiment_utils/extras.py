"""Optional dependencies: what to install when one is missing."""

import importlib
import importlib.util
from types import ModuleType

from tmgg.errors import MissingExtraError

EXPERIMENTS_EXTRA = "experiments"
_BUILT_IN = ("tmgg.denoising", "tmgg.experiments", "tmgg.models", "tmgg.training")
_NEEDED_BY_BUILT_IN = ("torch", "pytorch_lightning", "numpy")


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """The module; raises MissingExtraError, naming the install command, when it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, and broken
        raise _missing(module, extra=extra, purpose=purpose) from error


def check_extra_of(target_module: str) -> None:
    """Raise MissingExtraError for a module of TMGG whose extra is not installed.

    Imports nothing, so it costs little where a run is only submitted.
    """
    if not is_built_in(target_module):
        return
    for module in _NEEDED_BY_BUILT_IN:
        if not _is_installed(module):
            purpose = f"the built-in experiment {target_module}"
            raise _missing(module, extra=EXPERIMENTS_EXTRA, purpose=purpose)


def is_built_in(module: str) -> bool:
    """Whether it is a part of TMGG that trains or that experiments are made of."""
    return any(module == package or module.startswith(f"{package}.") for package in _BUILT_IN)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: it is in sys.modules, without a spec
        return False


def _missing(module: str, *, extra: str, purpose: str) -> MissingExtraError:
    return MissingExtraError(
        f'{purpose} needs the package {module}. Install it: pip install "tmgg[{extra}]"'
    )
