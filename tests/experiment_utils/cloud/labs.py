"""A module of the user's own beside the tests: what calls of functions are about."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def importable(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module `lab`, with this text, for as long as a fixture yields it."""
    (folder / "lab.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("lab")
    sys.modules.pop("lab")
