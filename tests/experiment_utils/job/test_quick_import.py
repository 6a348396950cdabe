"""An experiment's import leaves the garbage collector as it was."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.job.quick_import import quick_import


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_nothing_is_collected_while_a_module_is_imported(modules: Path) -> None:
    (modules / "quick_one.py").write_text("import gc\ncollects = gc.isenabled()\n")
    assert quick_import("quick_one").collects is False
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_module_that_fails_leaves_the_collector_on(modules: Path) -> None:
    (modules / "quick_two.py").write_text("raise ValueError('on import')\n")
    with pytest.raises(ValueError, match="on import"):
        quick_import("quick_two")
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off(modules: Path) -> None:
    (modules / "quick_three.py").write_text("")
    gc.disable()
    quick_import("quick_three")
    assert not gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_is_there_already_is_not_frozen_again(modules: Path) -> None:
    (modules / "quick_four.py").write_text("")
    quick_import("quick_four")
    gc.unfreeze()
    quick_import("quick_four")
    assert gc.get_freeze_count() == 0
