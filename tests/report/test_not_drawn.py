"""What the figures leave out is said."""

from dataclasses import replace
from math import nan

from tests.report.sample import report, run
from tmgg.report.model import Curve
from tmgg.report.not_drawn import not_drawn, not_read


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


def test_what_was_not_read_of_the_files_of_curves_is_reported() -> None:
    large = run(0, curves=[Curve("loss", [(0.0, 1.0), (1.0, 2.0)], is_sampled=True)])
    assert not_read([large, run(1)], incomplete=0) == [
        "1 of 2 runs logged into files of more than 4 MiB: their learning curves show lines from "
        "the whole length of these files, not all lines."
    ]
    assert not_read([run(0), run(1)], incomplete=1) == [
        "1 of 2 runs have very many files: learning curves were looked for in 400 files and "
        "folders."
    ]
    many = [Curve(f"c{n}", [(0.0, 1.0), (1.0, 2.0)]) for n in range(40)]
    assert not_read([run(0, curves=many)], incomplete=0) == [
        "1 of 1 runs logged under very many names: 40 of each were read."
    ]
    assert not_read([run(0)], incomplete=0) == []
