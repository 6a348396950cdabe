"""The objective by hyperparameter."""

from tests.report.sample import report
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
