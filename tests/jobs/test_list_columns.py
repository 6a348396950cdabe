"""Cells of `tmgg-jobs list`."""

from tmgg.cli.list_columns import best_cells


def test_best_values_of_one_metric_are_told_apart() -> None:
    bests = [("loss", 0.10000000001), ("loss", 0.10000000002), ("accuracy", 0.5), ("loss", None)]
    assert best_cells(bests) == ["loss 0.10000000001", "loss 0.10000000002", "accuracy 0.5", ""]
