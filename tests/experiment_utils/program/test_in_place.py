"""Objects that get the content of others."""

import array
import collections
import dataclasses
import random
import threading
import types
from typing import Any

import numpy
import pytest
import torch

from tmgg.experiment_utils.program.in_place import content_of, fill, fits


class Plain:
    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class OwnDict(dict[str, Any]):
    pass


class OwnList(list[Any]):
    pass


class WithState(Plain):
    def __getstate__(self) -> list[Any]:
        return [*vars(self).items()]

    def __setstate__(self, state: list[Any]) -> None:
        vars(self).update(state)


class WithFile(Plain):
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "file"}


class WithArguments(Plain):
    def __getnewargs__(self) -> tuple[int]:
        return (1,)


@dataclasses.dataclass(frozen=True)
class Frozen:
    held: dict[str, int]


def own(made: Any, **values: Any) -> Any:
    vars(made).update(values)
    return made


def content(value: Any) -> Any:
    """All of a value that a test compares."""
    slots = [getattr(value, name, None) for name in getattr(type(value), "__slots__", ())]
    shown = value.getstate() if isinstance(value, random.Random) else None
    items = [*value.items()] if isinstance(value, dict) else None
    is_iterable = hasattr(value, "__iter__") and items is None
    return [*value] if is_iterable else items, getattr(value, "__dict__", None), slots, shown


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ({"a": 1}, {"b": 2}), ([1], [2, 3]), ({1}, {2}), (bytearray(b"a"), bytearray(b"bc")),
        (collections.OrderedDict(a=1), collections.OrderedDict(c=1, b=2)),
        (collections.defaultdict(int, a=1), collections.defaultdict(list, b=[])),
        (collections.Counter("a"), collections.Counter("bb")),
        (collections.deque([1], 3), collections.deque([2], 3)),
        (array.array("i", [1]), array.array("i", [2, 3])),
        (numpy.zeros(2), numpy.ones(2)), (Plain(a=1, b=2), Plain(a=3)),
        (Slotted(left=1), Slotted(right=2)), (own(OwnDict(a=1), x=1), own(OwnDict(b=2), y=2)),
        (own(OwnList([1]), x=1), own(OwnList([2]), y=2)), (WithState(a=1), WithState(b=2)),
        (types.SimpleNamespace(a=1), types.SimpleNamespace(b=2)), (Frozen({"a": 1}), Frozen({})),
        (random.Random(1), random.Random(2)), (Plain(a=1), Plain()),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_an_object_gets_all_content_of_another_and_nothing_else(mine: Any, other: Any) -> None:
    found = content_of(other)
    assert found is not None
    assert fits(mine, found.kind, found.form)
    empty = found.make(*found.arguments)
    for each in (mine, empty):
        fill(each, found.parts)

    assert content(mine) == content(other) == content(empty)
    assert getattr(mine, "default_factory", None) is getattr(other, "default_factory", None)


def test_an_object_keeps_what_the_pickle_of_the_other_leaves_out() -> None:
    mine, other = WithFile(file="mine", old=1), WithFile(file="other", new=1)
    found = content_of(other)
    assert found is not None
    fill(mine, found.parts)

    assert vars(mine) == {"file": "mine", "new": 1}


def test_a_module_keeps_its_class_and_gets_the_parameters() -> None:
    mine, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    found = content_of(other)
    assert found is not None
    fill(mine, found.parts)

    assert mine.weight is other.weight
    assert [*mine.parameters()] == [other.weight, other.bias]


@pytest.mark.parametrize(
    "value",
    [
        WithArguments(), own(collections.Counter(), x=1), threading.Lock(), ([],),
        numpy.random.default_rng(0),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_other_objects_are_not_changed_in_place(value: object) -> None:
    assert content_of(value) is None


def test_what_has_another_class_or_form_does_not_fit() -> None:
    for value, other in (
        ({}, collections.OrderedDict()),
        (collections.deque(maxlen=2), collections.deque(maxlen=3)),
        (numpy.zeros(2), numpy.zeros(3)),
        (array.array("i"), array.array("d")),
    ):
        found = content_of(other)
        assert found is not None
        assert not fits(value, found.kind, found.form)
