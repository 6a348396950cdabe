"""Equal values have one fingerprint in every process, whatever they are made of."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
