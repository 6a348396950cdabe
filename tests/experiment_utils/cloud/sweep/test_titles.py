"""What tells the runs of a sweep from Python apart."""

import math
from typing import Any

import pytest

from tmgg.console.overrides import parse_title, typed
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.sweep.titles import with_titles


def titles(*configs: dict[str, Any]) -> list[str]:
    return [each.title for each in with_titles([TaskRequest(config=one) for one in configs])]


def test_the_keys_that_vary_are_reported() -> None:
    same = {"experiment": {"_target_": "mine:run"}, "seed": 1, "run_id": "a"}
    assert titles(
        {**same, "opt": {"lr": 0.1, "name": "adam"}, "deep": True},
        {**same, "opt": {"lr": 1e-05, "name": "adam"}, "run_id": "b"},
    ) == ["opt.lr=0.1 deep=true", "opt.lr=1e-05"]


@pytest.mark.parametrize(
    "value",
    [
        "two words",
        "a=b c=d",
        "it's",
        'say "x"',
        "1",
        "null",
        "",
        "~/x",
        "line\nbreak",
        "c:\\",
        "é x",
    ],
)
def test_text_of_any_kind_is_one_value(value: str) -> None:
    first, second = titles({"x": value, "y": 1}, {"x": "other", "y": 2})
    overrides = parse_title(first)
    assert overrides is not None
    assert [*overrides] == ["x", "y"]
    assert isinstance(typed(overrides["x"]), str)
    assert parse_title(second) == {"x": "other", "y": "2"}


def test_other_values_are_as_in_json() -> None:
    found = [
        parse_title(title) for title in titles({"x": [1, "a b"]}, {"x": None}, {"x": math.inf})
    ]
    assert found == [{"x": '[1, "a b"]'}, {"x": "null"}, {"x": "Infinity"}]


def test_a_long_value_is_short_and_still_told_apart() -> None:
    first, second = titles({"x": [0] * 5000 + [1]}, {"x": [0] * 5000 + [2]})
    assert first != second
    assert len(first) < 150


def test_what_may_be_a_secret_is_not_reported() -> None:
    assert titles({"api_key": "a", "n": 1}, {"api_key": "b", "n": 2}) == ["n=1", "n=2"]
    assert titles({"token_dim": 8}, {"token_dim": 9}) == ["token_dim=8", "token_dim=9"]
    assert titles({"hub": {"token": "a"}}, {"hub": {"token": "b"}}) == ["", ""]


def test_titles_that_were_given_stay() -> None:
    given = [TaskRequest(config={"x": 1}, title="mine"), TaskRequest(config={"x": 2})]
    assert [each.title for each in with_titles(given)] == ["mine", ""]
    assert titles({"x": 1}) == [""]
