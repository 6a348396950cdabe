"""The objective by hyperparameter."""

import dataclasses
import re

import pytest

from tests.report.sample import report, run
from tmgg.report.figures import by_parameter


def test_the_objective_is_drawn_by_each_hyperparameter_but_the_seed() -> None:
    figures = by_parameter.draw(report())
    assert [figure.title for figure in figures] == ["val_loss by lr", "val_loss by width"]
    # A dot and an interval for each choice of learning rate and width.
    assert figures[0].body.count("<circle") == 4
    assert figures[0].body.count('class="interval"') == 4


def test_values_are_in_order_numbers_first() -> None:
    assert by_parameter.in_order(["1e-3", "adam", "10", "0.5", "true"]) == [
        "1e-3", "0.5", "10", "adam", "true",
    ]  # fmt: skip


def test_the_bar_of_an_even_number_of_dots_is_between_the_two_in_the_middle() -> None:
    losses = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 3.5}
    runs = [
        run(n, overrides={"lr": "0.1", "model": model}, metrics={"val_loss": loss})
        for n, (model, loss) in enumerate(losses.items())
    ]
    runs.append(run(9, overrides={"lr": "0.2", "model": "a"}, metrics={"val_loss": 1.5}))
    figure = by_parameter.draw(dataclasses.replace(report(), runs=runs))[0]
    heights = [float(found) for found in re.findall(r'cy="([\d.]+)"', figure.body)]
    (bar,) = re.findall(r'class="median"[^>]*y1="([\d.]+)"', figure.body)
    assert float(bar) == pytest.approx((heights[1] + heights[2]) / 2, abs=0.2)
