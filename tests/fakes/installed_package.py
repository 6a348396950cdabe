"""A package that brings a backend, as pip leaves it: a module on the path, and entry points."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud import plugins

Offer = Callable[[str, str], None]
"""Writes the entry points: the lines of the runners, and of the config classes."""


@contextmanager
def installed_package(
    name: str, module: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Offer]:
    """Package `name`, whose module is `<name>_runner`; `folder` becomes the working directory."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    (folder / f"{name}_runner.py").write_text(module)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")

    def offer(runners: str, configs: str) -> None:
        text = f"[{plugins.RUNNERS}]\n{runners}\n[{plugins.CONFIGS}]\n{configs}\n"
        (info / "entry_points.txt").write_text(text)
        _forget()

    try:
        yield offer
    finally:
        _forget()
        sys.modules.pop(f"{name}_runner", None)


def _forget() -> None:
    plugins.found.cache_clear()
    plugins.fields_of.cache_clear()
