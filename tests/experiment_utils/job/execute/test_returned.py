"""What an experiment may return: numbers of any library, and a checkpoint."""

import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tmgg.errors import TaskError
from tmgg.experiment_utils.job.execute import parse_returned


@pytest.mark.parametrize(
    ("returned", "metrics"),
    [
        (None, {}),
        (3, {"value": 3}),
        (2.5, {"value": 2.5}),
        ({"a": 1, "b": True}, {"a": 1, "b": True}),
        (
            {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)},
            {"a": 0.5, "b": 3, "c": True},
        ),
        ({"a": np.array(2.0), "b": np.array([2.0])}, {"a": 2.0, "b": 2.0}),
        ({"a": torch.tensor(0.5), "b": torch.tensor([[3]])}, {"a": 0.5, "b": 3}),
        ({"a": torch.tensor(0.5, requires_grad=True)}, {"a": 0.5}),
        (torch.tensor(7), {"value": 7}),
        ({1: 2}, {"1": 2}),
        ({"checkpoint_path": None, "a": 1}, {"a": 1}),
    ],
)
def test_numbers_of_any_library_become_pythons(returned: object, metrics: dict[str, Any]) -> None:
    found, checkpoint = parse_returned(returned)
    assert found == metrics
    assert {type(value) for value in found.values()} <= {int, float, bool}
    assert checkpoint is None
    json.dumps(found)


@pytest.mark.parametrize("path", ["/c/last.ckpt", Path("/c/last.ckpt")])
def test_the_checkpoint_is_a_path_not_a_metric(path: object) -> None:
    assert parse_returned({"checkpoint_path": path}) == ({}, "/c/last.ckpt")


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("done", "value='done', a str"),
        ((1, 2), "value=(1, 2), a tuple"),
        ({"a": [1]}, "a=[1], a list"),
        ({"a": {"b": "x"}}, "a.b='x', a str"),
        ({"a": 1j}, "a=1j, a complex"),
        ({"a": decimal.Decimal("sNaN")}, "a Decimal"),
        ({"a": None}, "a=None, a NoneType"),
        ({"a": np.array([])}, "a ndarray"),
        ({"a": np.array([1.0, 2.0])}, "a ndarray"),
        ({"a": torch.zeros(2)}, "a Tensor"),
        ({"a": np.str_("x")}, "a str_"),
        ({"a": "x" * 10_000}, "a='xxx"),
    ],
)
def test_anything_else_is_refused_by_name_and_type(returned: object, words: str) -> None:
    with pytest.raises(TaskError) as caught:
        parse_returned(returned)
    message = str(caught.value)
    assert words in message
    assert "Return a mapping of names to numbers" in message
    assert len(message) < 1_000
