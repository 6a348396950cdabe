"""Optional dependencies: what to install when one is missing."""

import importlib
import importlib.util
import json
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from tmgg.errors import MissingExtraError
from tmgg.experiment_utils.files.looking import is_there

EXPERIMENTS_EXTRA = "experiments"
_BUILT_IN = ("tmgg.denoising", "tmgg.experiments", "tmgg.models", "tmgg.training")
_NEEDED_BY_BUILT_IN = ("torch", "pytorch_lightning", "numpy")


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import the module; raises MissingExtraError, with the install command, if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the module is installed, but one that it imports is missing
        raise _missing(module, extra=extra, purpose=purpose) from error


def check_extra_of(target_module: str) -> None:
    """Raise MissingExtraError for a module of TMGG whose extra is not installed.

    Imports nothing, so it is fast when a run is only submitted.
    """
    if not is_built_in(target_module):
        return
    module = missing_for_built_in()
    if module is not None:
        purpose = f"the built-in experiment {target_module}"
        raise _missing(module, extra=EXPERIMENTS_EXTRA, purpose=purpose)


def missing_for_built_in() -> str | None:
    """A package that the built-in experiments need and that is not installed; None if all are."""
    return next((module for module in _NEEDED_BY_BUILT_IN if not is_installed(module)), None)


def is_built_in(module: str) -> bool:
    """Whether the module belongs to TMGG's science: experiments, models, denoising, training."""
    return any(module == package or module.startswith(f"{package}.") for package in _BUILT_IN)


def install_command(extra: str) -> str:
    """The command that installs the extra, from the place that TMGG was installed from."""
    import importlib.metadata  # imported here: only the message needs it

    try:
        noted = importlib.metadata.distribution("tmgg").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        noted = None
    return command_for(extra, json.loads(noted or "{}"))


def command_for(extra: str, direct_url: dict[str, Any]) -> str:
    """As `install_command`, from pip's record of the installation (PEP 610).

    Checks whether the folder in the record still exists.
    """
    url, vcs = str(direct_url.get("url", "")), direct_url.get("vcs_info")
    place = unquote(url.removeprefix("file://"))
    if vcs:
        return f'pip install "tmgg[{extra}] @ {vcs["vcs"]}+{url}@{vcs["commit_id"]}"'
    if not url or (url.startswith("file:") and _is_gone(place)):
        return f'pip install "tmgg[{extra}]", or in a clone of TMGG: pip install ".[{extra}]"'
    if direct_url.get("dir_info", {}).get("editable"):
        return f'pip install -e "{place}[{extra}]"'
    return f'pip install "tmgg[{extra}] @ {url}"'


def _is_gone(place: str) -> bool:
    try:
        return not is_there(place)
    except OSError:
        return False


def is_installed(module: str) -> bool:
    """Whether Python would find the package here; imports nothing."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: it is in sys.modules, without a spec
        return False


def _missing(module: str, *, extra: str, purpose: str) -> MissingExtraError:
    return MissingExtraError(
        f"{purpose} needs the package {module}. Install it: {install_command(extra)}"
    )
