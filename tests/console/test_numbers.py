"""Numbers as people see them: those that differ never look alike."""

import math

import pytest

from tmgg.console.numbers import render_number, render_numbers


def test_six_digits_where_they_tell_values_apart() -> None:
    assert render_numbers([40.469123, 0.015219, 3, True, None]) == [
        "40.4691", "0.015219", "3", "True", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        [0.1 + k * 1e-10 for k in range(6)],
        [1234567.0, 1234568.0, 1234569.0],
        [0.3, 0.1 + 0.2],
        [math.nan, math.inf, -math.inf, 1e308, 1.0000000001e308],
        [10**400, 10**400 + 1, 0.5],
    ],
)
def test_values_that_differ_do_not_look_alike(values: list[float]) -> None:
    assert len({*render_numbers(values)}) == len(values)


def test_no_more_digits_than_tell_them_apart() -> None:
    assert render_numbers([1234567.0, 1234568.0]) == ["1234567", "1234568"]
    assert render_numbers([0.3, 0.1 + 0.2]) == ["0.3", "0.30000000000000004"]
    assert render_numbers([0.5, 0.5, math.nan, math.nan]) == ["0.5", "0.5", "nan", "nan"]


def test_ticks_of_an_axis_have_fewer() -> None:
    assert render_numbers([0.10000000000000001, 0.2, 0.30000000000000004], digits=4) == [
        "0.1", "0.2", "0.3",
    ]  # fmt: skip
    assert render_numbers([100000.1, 100000.2], digits=4) == ["100000.1", "100000.2"]


def test_one_number_has_six_digits_and_a_whole_one_all() -> None:
    assert render_number(0.1234567) == "0.123457"
    assert render_number(1234567.0) == "1234567"
    assert render_number(1.5e18) == "1.5e+18"
    assert render_number(10**20) == str(10**20)
