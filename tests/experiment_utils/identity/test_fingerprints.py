"""Equal values have one fingerprint in every process, whatever they are made of."""

import dataclasses
import enum
import importlib
import json
import os
import pathlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from tmgg.experiment_utils.identity.fingerprints import fingerprint

VALUES = """
import collections, dataclasses, datetime, decimal, random, sys
import numpy, torch

class Bag:
    def __init__(self, *names):
        self.names = set(names)
        self.by_name = {name: {name, name * 2} for name in (names if FORWARD else names[::-1])}

class Slotted:
    __slots__ = ("held",)
    def __init__(self, held):
        self.held = held

def model(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))

def values(other=0):
    names = ("a", "b", "c", "d")[: 4 - other]
    held = numpy.array([set(names), {"x": frozenset(names)}], dtype=object)
    tensor = torch.arange(6.0).reshape(2, 3) + other
    return {
        "bag": Bag(*names),
        "slotted": Slotted(frozenset(names)),
        "ordered": collections.OrderedDict(x=set(names)),
        "array": numpy.arange(6).reshape(2, 3) + other,
        "strided array": (numpy.arange(6).reshape(2, 3) + other).T,
        "object array": held,
        "tensor": tensor,
        "view": tensor.T[1:],
        "bfloat16": tensor.to(torch.bfloat16),
        "complex": torch.complex(tensor, tensor).conj(),
        "scalar": torch.tensor(1.5 + other),
        "parameter": torch.nn.Parameter(tensor),
        "model": model(other),
        "state": model(other).state_dict(),
        "sparse": tensor.to_sparse(),
        "random": random.Random(other),
        "generator": numpy.random.default_rng(other),
        "time": datetime.datetime(2026, 1, 1 + other, tzinfo=datetime.timezone.utc),
        "decimal": decimal.Decimal(other) + 1,
    }
"""
SHOW = """
import json, sys
FORWARD = sys.argv[1] == "1"
import values_lab
from tmgg.experiment_utils.identity.fingerprints import fingerprint
values_lab.FORWARD = FORWARD
junk = [bytearray(100 + FORWARD) for _ in range(50 * FORWARD)]  # other addresses
print(json.dumps([{name: fingerprint(value) for name, value in values_lab.values(other).items()}
                  for other in (0, 1)]))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, str]]]:
    """The fingerprints of two processes, of the values and of others."""
    folder: Path = tmp_path_factory.mktemp("values")
    (folder / "values_lab.py").write_text(VALUES)
    shown = []
    for seed in ("1", "2"):
        ended = subprocess.run(
            [sys.executable, "-c", SHOW, seed], cwd=folder, capture_output=True, text=True,
            env=os.environ | {"PYTHONHASHSEED": seed}, timeout=150, check=True,
        )  # fmt: skip
        shown.append(json.loads(ended.stdout))
    return shown


def test_equal_values_have_the_same_in_every_process(found: list[list[dict[str, str]]]) -> None:
    (one, _), (other, _) = found
    differing = [name for name in one if one[name] != other[name]]
    assert differing == []


def test_other_values_have_others(found: list[list[dict[str, str]]]) -> None:
    (values, others), _ = found
    assert [name for name in values if values[name] == others[name]] == []
    assert len({*values.values()}) == len(values)


@dataclasses.dataclass(init=False)
class NamedDict(dict[str, int]):
    """Has a docstring: for a class written in C a dataclass cannot make one."""

    name: str = "x"


@dataclasses.dataclass(init=False)
class NamedList(list[int]):
    """As above."""

    name: str = "x"


@dataclasses.dataclass(init=False)
class NamedNumber(int):
    """As above."""

    name: str = "x"


@dataclasses.dataclass(init=False)
class NamedText(str):
    """As above."""

    name: str = "x"


@dataclasses.dataclass(init=False, eq=False, repr=False)
class NamedArray(numpy.ndarray[Any, Any]):
    """As above."""

    label: str = "x"


@dataclasses.dataclass(init=False, eq=False, repr=False)
class NamedTensor(torch.Tensor):
    """As above."""

    label: str = "x"


class Hiding:
    __slots__ = ("hidden",)
    hidden: int


@dataclasses.dataclass(slots=True)
class Showing(Hiding):
    shown: int = 0


class Flag(enum.IntFlag):
    ONE = 1


class NotedPath(type(pathlib.Path())):  # type: ignore[misc]
    note = 0


def showing(hidden: int) -> Showing:
    made = Showing()
    made.hidden = hidden  # type: ignore[misc]
    return made


def noted(note: int) -> NotedPath:
    made = NotedPath("a")
    made.note = note
    return made


def array(*numbers: int) -> Any:
    return numpy.array(numbers).view(NamedArray)


def named(array: Any, name: str) -> Any:
    array.label = name
    return array


@pytest.mark.parametrize(
    ("value", "equal", "other"),
    [
        (NamedDict(a=1), NamedDict(a=1), NamedDict(a=2)),
        (NamedList([1]), NamedList([1]), NamedList([2])),
        (NamedNumber(1), NamedNumber(1), NamedNumber(2)),
        (NamedText("a"), NamedText("a"), NamedText("b")),
        (array(1), array(1), array(2)),
        (array(1), array(1), named(array(1), "y")),
        (torch.ones(1).as_subclass(NamedTensor), torch.ones(1).as_subclass(NamedTensor),
         torch.zeros(1).as_subclass(NamedTensor)),
        (showing(1), showing(1), showing(2)),
        (Flag(8), Flag(8), Flag(16)),
        (Flag(9), Flag(9), Flag(17)),
        (noted(1), noted(1), noted(2)),
        (noted(1), noted(1), pathlib.Path("a")),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_an_object_counts_with_all_that_it_has(value: Any, equal: Any, other: Any) -> None:
    assert fingerprint(value) == fingerprint(equal)
    assert fingerprint(value) != fingerprint(other)


def test_a_dataclass_whose_field_is_not_set_has_a_fingerprint() -> None:
    @dataclasses.dataclass
    class Late:
        value: int = dataclasses.field(init=False)

    assert fingerprint(Late()) != fingerprint(None)


RECORDED = """
import dataclasses, enum, typing

T = typing.TypeVar("T")

class WithMethods:
    def method(self): ...

@dataclasses.dataclass
class Base:
    x: int = 1

@dataclasses.dataclass
class Derived(Base, WithMethods, typing.Generic[T]):
    y: int = 2

@dataclasses.dataclass(slots=True)
class Slotted:
    x: int = 1

class Flag(enum.IntFlag):
    ONE = 1
"""
KEYS = [
    "6a8fd5f3319bb7df70f5d0f02119f84a",
    "6bd8b649b42e6071c5eaf6e73a202cc9",
    "2557c96529fd0276541a71e6b1267e60",
    "f09643805aa80e410a5d77003682ab9e",
]


def test_plain_dataclasses_and_enums_keep_what_is_on_record(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recorded_lab.py").write_text(RECORDED)
    monkeypatch.syspath_prepend(tmp_path)
    lab = importlib.import_module("recorded_lab")

    assert [*map(fingerprint, (lab.Base(), lab.Derived(), lab.Slotted(), lab.Flag.ONE))] == KEYS
