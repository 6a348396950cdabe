"""Which functions may read the command line, also through other functions of the project."""

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tmgg.experiment_utils.identity.read_arguments import may_read_arguments

OPTIONS = """
import argparse, sys
def argv(): return sys.argv
def parsed(): return argparse.ArgumentParser().parse_known_args()
def neither(x): return x
"""
TASKS = """
import json
import options_lab
from options_lab import parsed
def by_module(x): return options_lab.argv()
def by_name(x): return parsed()
def indirect(x): return by_name(x)
def nested(x): return [parsed() for _ in range(x)]
def circular(x): return circular(x)
def plain(x): return options_lab.neither(json.dumps(x))
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "options_lab.py").write_text(OPTIONS)
    (tmp_path / "tasks_lab.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("options_lab", "tasks_lab"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("tasks_lab")


@pytest.mark.parametrize("name", ["by_module", "by_name", "indirect", "nested"])
def test_a_function_reads_it_by_whatever_way(tasks: ModuleType, name: str) -> None:
    assert may_read_arguments([getattr(tasks, name)])


@pytest.mark.parametrize("name", ["circular", "plain"])
def test_others_do_not(tasks: ModuleType, name: str) -> None:
    assert not may_read_arguments([getattr(tasks, name)])


def test_functions_of_installed_packages_do_not_count() -> None:
    assert not may_read_arguments([pytest.main, argparse.ArgumentParser.parse_args])
