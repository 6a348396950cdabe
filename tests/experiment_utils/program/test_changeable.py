"""Which values can have changed since the script was loaded."""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import logging
import math
import pathlib
import threading
import types
from typing import Any

import numpy
import pytest
import torch

from tmgg.experiment_utils.program.changeable import is_changeable, is_same


class Mark:
    pass


class Slotted:
    __slots__ = ("held",)


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Options:
    rate: float = 0.1


@dataclasses.dataclass(frozen=True)
class Frozen:
    held: Any


def with_something(made: Any) -> Any:
    made.held = 1
    return made


@pytest.mark.parametrize(
    "value",
    [
        {}, [], set(), bytearray(), collections.deque(), ([],), Options(), with_something(Mark()),
        with_something(Slotted()), argparse.Namespace(a=1), types.SimpleNamespace(a=1),
        Frozen({}), Frozen((Frozen([]),)), (Frozen(Options()),),
        numpy.zeros(1), torch.zeros(1), torch.nn.Linear(1, 1), numpy.random.default_rng(0),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_objects_can_have_changed(value: object) -> None:
    assert is_changeable(value)


@pytest.mark.parametrize(
    "value",
    [
        None, 1, 1.5, "a", b"a", True, (1, "a"), frozenset("a"), object(), Mark(), Slotted(),
        Colour.RED, Frozen(1), Frozen(("a", pathlib.Path("a"))), Frozen(len),
        pathlib.Path("a"), datetime.date(2026, 1, 1), decimal.Decimal(1), range(3),
        torch.device("cpu"), torch.float32, numpy.float64(1), len, math, Mark, is_same,
        functools.cache(len), functools.partial(len), logging.getLogger("a"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_and_code_and_marks_stay_what_they_are(value: object) -> None:
    assert not is_changeable(value)


def test_what_is_frozen_and_has_itself_has_not_changed_by_that() -> None:
    alone, other = Frozen(None), Frozen(None)
    object.__setattr__(alone, "held", (1, other))
    object.__setattr__(other, "held", alone)
    assert not is_changeable(alone)

    object.__setattr__(other, "held", (alone, []))
    assert is_changeable(alone)


def test_the_same_are_equal_values_of_the_same_types() -> None:
    assert is_same({"a": [1, (2, None)]}, {"a": [1, (2, None)]})
    for other in ({"a": [1.0]}, {"a": [True]}, {"a": [2]}, {"a": [1, 1]}, {"b": [1]}, {}, None):
        assert not is_same({"a": [1]}, other)
    assert not is_same(collections.OrderedDict(a=1), {"a": 1})
    assert not is_same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not is_same([threading.Lock()], [threading.Lock()])
