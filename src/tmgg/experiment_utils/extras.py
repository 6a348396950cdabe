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
    module = missing_for_built_in()
    if module is not None:
        purpose = f"the built-in experiment {target_module}"
        raise _missing(module, extra=EXPERIMENTS_EXTRA, purpose=purpose)


def missing_for_built_in() -> str | None:
    """A package that the built-in experiments need and that is not here; None if all are."""
    return next((module for module in _NEEDED_BY_BUILT_IN if not is_installed(module)), None)


def is_built_in(module: str) -> bool:
    """Whether it is a part of TMGG that trains or that experiments are made of."""
    return any(module == package or module.startswith(f"{package}.") for package in _BUILT_IN)


def install_command(extra: str) -> str:
    """What installs the extra beside TMGG, from where TMGG itself was installed."""
    import importlib.metadata  # only for the message

    try:
        noted = importlib.metadata.distribution("tmgg").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        noted = None
    return command_for(extra, json.loads(noted or "{}"))


def command_for(extra: str, direct_url: dict[str, Any]) -> str:
    """The same, by what pip has noted of the installation (PEP 610); looks whether it is there."""
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
