"""Parallel coordinates."""

import dataclasses

from tests.report.sample import report, run
from tmgg.report.figures import by_parameter, parallel


def test_each_run_that_completed_is_a_line_through_its_hyperparameters() -> None:
    (figure,) = parallel.draw(report())
    assert figure.body.count("<polyline") == 10
    assert "lr=0.1 width=64 seed=0: val_loss 0.5" in figure.body


def test_few_numbers_are_named_as_they_are_and_many_by_round_ones() -> None:
    def labels(count: int) -> str:
        runs = [run(n, overrides={"lr": f"{0.006 * 3**n:g}"}) for n in range(count)]
        (figure,) = parallel.draw(dataclasses.replace(report(), runs=runs))
        return figure.body

    assert all(f">{lr}</text>" in labels(4) for lr in ("0.006", "0.018", "0.054", "0.162"))
    assert ">0.1</text>" in labels(8)


def test_a_sweep_in_which_nothing_varies_has_no_such_figures() -> None:
    same = dataclasses.replace(report(), runs=[run(0), run(0)])
    assert parallel.draw(same) == by_parameter.draw(same) == []
