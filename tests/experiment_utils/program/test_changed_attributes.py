"""Attributes of classes and functions that were set after the script was loaded."""

import sys
from types import ModuleType
from typing import Any

import pytest

from tmgg.experiment_utils.program.attributes_set import ANY
from tmgg.experiment_utils.program.changed_attributes import changed_attributes

SCRIPT = """
import enum, functools

class Field:
    def __get__(self, instance, owner): return self
    def __set__(self, instance, value): pass

class Base:
    depth = 1

class Net(Base):
    __slots__ = ("held",)
    rate = 1
    class inner:
        width = 1
    def forward(self): pass
    @staticmethod
    def static(): pass
    @property
    def size(self): pass
    @functools.cached_property
    def cached(self): pass
    field = Field()

class Split(enum.Enum):
    TRAIN = "train"

def work(): pass
def fast(self): pass
work.scale = 1

def local():
    class Local:
        rate = 1
    return Local
"""


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(SCRIPT, vars(module))
    return module


def test_attributes_with_the_names_are_found_also_of_base_classes(main: Any) -> None:
    main.Net.late = 2

    found = changed_attributes(main.Net, {"rate", "depth", "late", "other"})

    assert found == {"Net.rate": 1, "Base.depth": 1, "Net.late": 2}
    assert changed_attributes(main.Net.inner, {"width"}) == {"Net.inner.width": 1}
    assert changed_attributes(main.work, {"scale"}) == {"work.scale": 1}
    assert changed_attributes(main.Net, ()) == {}


def test_code_counts_if_another_took_its_place(main: Any) -> None:
    names = {
        "forward",
        "static",
        "size",
        "inner",
        "held",
        "cached",
        "field",
        "__call__",
        "__module__",
        "__doc__",
    }
    assert changed_attributes(main.Net, names) == {}

    main.Net.forward = main.Net.__call__ = main.fast
    main.Net.static = staticmethod(main.fast)
    main.Net.size = property(main.fast)

    found = changed_attributes(main.Net, names)
    assert found.keys() == {f"Net.{each}" for each in ("forward", "__call__", "static", "size")}


def test_members_of_an_enumeration_stay_and_their_attributes_count(main: Any) -> None:
    main.Split.TRAIN.folder = "/data"
    main.Split.note = "a"

    found = changed_attributes(main.Split, {"TRAIN", "folder", "note", "_value_"})

    assert found == {"Split.TRAIN.folder": "/data", "Split.note": "a"}


def test_names_that_are_computed_are_those_of_all_data_of_a_class(main: Any) -> None:
    assert changed_attributes(main.Net, {ANY}) == {"Net.rate": 1, "Base.depth": 1}
    assert changed_attributes(main.work, {ANY}) == {}


def test_a_class_that_the_job_does_not_find_by_name_is_left_out(main: Any) -> None:
    assert changed_attributes(main.local(), {"rate"}) == {}
    assert changed_attributes(int, {"real"}) == {}
