"""Which numbers are found in what a task returned, and what they are called."""

import dataclasses
import enum
import fractions
import json
import logging
import math
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tmgg.errors import TaskError
from tmgg.experiment_utils.job.metrics import (
    MOST_WITHOUT_NAMES,
    check_returned,
    name_no_numbers,
    number_of,
    sort_returned,
)
from tmgg.hydra_plugins.job_returns import metrics_of


@dataclasses.dataclass
class Losses:
    train: float
    test: torch.Tensor


Pair = namedtuple("Pair", "low high")


class Level(enum.IntEnum):
    HIGH = 3


def _mean(value: float) -> torchmetrics.Metric:
    metric = torchmetrics.MeanMetric()
    metric.update(value)
    return metric


def _errors() -> torchmetrics.MetricCollection:
    metrics = torchmetrics.MetricCollection([torchmetrics.MeanSquaredError()])
    metrics.update(torch.zeros(3), torch.ones(3))
    return metrics


FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_tensor_of_any_floating_type_is_a_number(dtype: torch.dtype) -> None:
    assert sort_returned({"loss": torch.tensor(0.25, dtype=dtype)}).metrics == {"loss": 0.25}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (torch.nn.Parameter(torch.tensor(2.0)), 2.0),
        (torch.tensor([[3]]), 3),
        (np.longdouble(2), 2.0),
        (np.array(Decimal(1)), 1.0),
        (Decimal("0.5"), 0.5),
        (fractions.Fraction(1, 4), 0.25),
        (Level.HIGH, 3),
        (np.bool_(True), True),
        (_mean(3.0), None),
        (torch.zeros((), device="meta"), None),
        (fractions.Fraction(10**400), None),
        (Decimal("sNaN"), None),
        (1j, None),
        (np.datetime64("2026-01-01"), None),
        (torch.tensor, None),
        ("1", None),
    ],
)
def test_a_number_is_what_its_library_calls_one(value: object, number: float | None) -> None:
    found = number_of(value)
    assert found == number
    assert type(found) is type(number)


def test_a_whole_number_too_long_for_json_is_refused_in_words() -> None:
    with pytest.raises(TaskError, match=r"a=\.\.\., a int"):
        check_returned({"a": 1 << 100_000})


@pytest.mark.parametrize(
    ("returned", "metrics"),
    [
        ({"a": {"b": {"c": 1}}, "d": 2}, {"a.b.c": 1, "d": 2}),
        (Losses(0.5, torch.tensor(1.5)), {"train": 0.5, "test": 1.5}),
        ({"loss": Losses(0.5, torch.tensor(1.5))}, {"loss.train": 0.5, "loss.test": 1.5}),
        (Pair(1, Pair(2, 3)), {"low": 1, "high.low": 2, "high.high": 3}),
        ((1, 2.5), {"value_0": 1, "value_1": 2.5}),
        ([{"a": 1}], {"value_0.a": 1}),
        (_mean(3.0), {"value": 3.0}),
        ({"test": _errors()}, {"test.MeanSquaredError": 1.0}),
        (OmegaConf.create({"a": 1, "b": {"c": 2}}), {"a": 1, "b.c": 2}),
    ],
)
def test_names_are_joined_by_dots(returned: object, metrics: dict[str, Any]) -> None:
    found = sort_returned(returned)
    assert found.metrics == metrics
    assert not found.no_numbers
    json.dumps(found.metrics)


def test_a_bare_number_is_called_what_the_launcher_asks_for() -> None:
    assert metrics_of(torch.tensor(0.5), bare_name="loss") == {"loss": 0.5}


def test_what_is_no_number_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    returned = {"loss": 1.0, "model": torch.nn.Linear(1, 1), "hist": np.zeros(3)}
    with caplog.at_level(logging.WARNING):
        assert metrics_of(returned) == {"loss": 1.0}
    assert [each.getMessage() for each in caplog.records] == [
        "2 values are not numbers: model, hist"
    ]


def test_of_many_that_are_no_numbers_the_first_are_named(caplog: pytest.LogCaptureFixture) -> None:
    name_no_numbers({f"v{index}": None for index in range(12)})
    (text,) = caplog.messages
    assert text.startswith("12 values are not numbers: v0, v1,")
    assert text.endswith("v9 and 2 more")


def test_what_holds_itself_comes_to_an_end() -> None:
    returned: dict[str, Any] = {"a": 1}
    returned["self"] = returned
    found = sort_returned(returned)
    assert (found.metrics, list(found.no_numbers)) == ({"a": 1}, ["self"])


_NUMBERS = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.fractions())
_NESTED = st.recursive(
    st.one_of(_NUMBERS, st.text(), st.none()),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(_NESTED)
def test_every_value_is_a_metric_or_is_named(returned: object) -> None:
    found = sort_returned({"it": returned})
    json.dumps(found.metrics)
    assert not set(found.metrics) & set(found.no_numbers)
    assert all(type(number) in (bool, int, float) for number in found.metrics.values())


@given(_NUMBERS)
def test_the_two_ways_of_running_find_the_same_number(value: float) -> None:
    strict, free = check_returned({"a": value}).metrics, metrics_of({"a": value})
    assert strict == free
    assert not math.isnan(free["a"])


def test_of_values_with_one_name_the_first_is_kept_and_the_others_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    returned = {"a": {"b": {"c": 1}}, "a.b.c": 2, "d": "text", 1: 3, "1": "x"}
    with caplog.at_level(logging.WARNING):
        assert metrics_of(returned) == {"a.b.c": 1, "1": 3}
        assert check_returned({"a": {"b": 1}, "a.b": 2}).metrics == {"a.b": 1}
    assert caplog.messages == [
        "1 value is not a number: d",
        "other values have these names, and were kept instead: a.b.c, 1",
        "other values have these names, and were kept instead: a.b",
    ]


def test_what_is_nested_without_end_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"d": deep}
    assert metrics_of({"loss": 1, "deep": deep}) == {"loss": 1}
    assert "1 value is not a number: deep.d.d" in caplog.text


def test_a_name_with_line_breaks_makes_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name_no_numbers({"a\nb": None})
    assert caplog.messages == ["1 value is not a number: a\\nb"]


class AttrDict(dict[str, Any]):
    """Its values are attributes, and others raise KeyError: a common idiom."""

    __getattr__ = dict.__getitem__


class ClosedMapping(Mapping[str, float]):
    """One of a file that is closed by now."""

    def __getitem__(self, name: str) -> float:
        raise ValueError("closed")

    def __iter__(self) -> Iterator[str]:
        raise ValueError("closed")

    def __len__(self) -> int:
        raise ValueError("closed")


class Nameless:
    def __str__(self) -> str:
        raise ValueError("no name")


class Unbound:
    """A proxy of nothing, as werkzeug's: it raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("unbound")


class OddTuple(tuple[float, ...]):
    @property
    def _fields(self) -> tuple[str, ...]:
        raise RuntimeError("no fields")


class OddFraction(fractions.Fraction):
    def __float__(self) -> float:
        raise RuntimeError("no float")


@pytest.mark.parametrize(
    "make", [ClosedMapping, Unbound, lambda: OddTuple([1.0, 2.0]), lambda: OddFraction(1, 2)]
)
def test_an_object_that_raises_when_it_is_looked_at_costs_only_itself(
    make: Callable[[], object],
) -> None:
    odd = make()
    found = sort_returned({"loss": 1.0, "odd": odd, "acc": AttrDict(top=0.5)})
    assert found.metrics == {"loss": 1.0, "acc.top": 0.5}
    assert list(found.no_numbers) == ["odd"]
    assert sort_returned(odd).metrics in ({}, {"value_0": 1.0, "value_1": 2.0})
    with pytest.raises(TaskError):
        check_returned(odd)


class OddText(str):
    def __str__(self) -> str:
        return self

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


class OddNames(Mapping[str, float]):
    def __getitem__(self, name: str) -> float:
        return 1.0

    def __iter__(self) -> Iterator[str]:
        return iter([OddText("loss")])

    def __len__(self) -> int:
        return 1


def test_whatever_was_returned_finding_its_numbers_never_raises(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert sort_returned(OddNames()).metrics == {}
    assert "the numbers in a returned OddNames cannot be had: no hash" in caplog.text


def test_a_mapping_with_an_odd_attribute_lookup_has_its_numbers() -> None:
    assert sort_returned(AttrDict(loss=0.25)).metrics == {"loss": 0.25}
    assert check_returned(AttrDict(loss=0.25)).metrics == {"loss": 0.25}


def test_a_key_without_text_costs_only_its_name() -> None:
    assert sort_returned({Nameless(): 2.0, "loss": 1.0}).metrics == {"Nameless": 2.0, "loss": 1.0}


def test_a_checkpoint_that_raises_when_it_is_looked_at_is_none() -> None:
    found = sort_returned({"loss": 1.0, "checkpoint_path": Unbound()})
    assert (found.metrics, found.checkpoint_path) == ({"loss": 1.0}, None)
    assert list(found.no_numbers) == ["checkpoint_path"]


def test_a_long_list_without_names_is_one_value() -> None:
    data = [0.5] * (MOST_WITHOUT_NAMES + 1)
    found = sort_returned(data)
    assert (found.metrics, list(found.no_numbers)) == ({}, ["value"])
    assert len(sort_returned(data[1:]).metrics) == MOST_WITHOUT_NAMES


def test_all_numbers_that_have_names_are_metrics() -> None:
    returned = {f"v{index}": 0.5 for index in range(20_000)}
    assert check_returned(returned).metrics == metrics_of(returned) == returned
