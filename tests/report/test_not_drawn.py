"""What the figures leave out is said."""

from dataclasses import replace
from math import nan

from tests.report.sample import report, run
from tmgg.report.model import Curve
from tmgg.report.not_drawn import not_drawn


def test_a_sweep_that_is_drawn_whole_needs_no_words() -> None:
    assert not_drawn(report()) == []


def test_runs_without_a_number_are_counted() -> None:
    runs = [run(0), run(1), run(2, metrics={"val_loss": nan}), run(3, metrics={})]
    assert not_drawn(replace(report(), runs=runs)) == [
        "2 of 4 runs that completed have no finite val_loss: they are not in the figures of the "
        "objective."
    ]


def test_what_is_beyond_the_bounds_of_figures_is_reported() -> None:
    curves = [Curve(f"c{n}", [(0.0, 1.0), (1.0, 2.0)]) for n in range(20)]
    runs = [
        run(n, overrides={"lr": f"{n}", **{f"k{k}": f"{n}" for k in range(10)}}, curves=curves)
        for n in range(30)
    ]
    words = " ".join(not_drawn(replace(report(), runs=runs)))
    assert "lr has 30 values: 24 are in its figure." in words
    assert "11 hyperparameters vary: the figures are of the first 8." in words
    assert "Learning curves are of 12 of the 20 logged names." in words
