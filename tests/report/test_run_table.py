"""The table of a page, as the page's script sorts it."""

import dataclasses
import re

from tests.report.sample import report, run
from tmgg.report.run_table import render_table


def heads(table: str) -> list[str]:
    return re.findall(r"<button type='button'>([^<]*)</button>", table)


def test_columns_are_what_varies_and_what_was_measured_the_objective_first() -> None:
    assert heads(render_table(report(), None)) == [
        "#", "run", "lr", "width", "seed", "status", "failure", "val_loss", "accuracy", "time",
        "CPU cores", "memory",  "GPU busy",
    ]  # fmt: skip


def test_cells_are_sorted_by_values_and_not_by_what_is_shown() -> None:
    table = render_table(report(), None)
    assert "data-v='3600.0'>1:00:00</td>" in table
    assert f"data-v='{3 << 30}'>3.0 GB</td>" in table


def test_the_best_run_stands_out() -> None:
    best = report().runs[3].run_id
    table = render_table(report(), best)
    (row,) = re.findall(r"<tr class='best'.*?</tr>", table)
    assert best in row


def test_titles_of_other_words_are_one_column() -> None:
    calls = [run(number, title=f"call {number}", overrides={}) for number in range(3)]
    assert "overrides" in heads(render_table(dataclasses.replace(report(), runs=calls), None))


def test_numbers_that_are_none_are_shown_and_sorted_as_such() -> None:
    odd = [run(0, metrics={"val_loss": float("nan")}), run(1, metrics={"val_loss": float("inf")})]
    table = render_table(dataclasses.replace(report(), runs=odd), None)
    assert "data-v=''>nan</td>" in table
    assert "data-v='Infinity'>inf</td>" in table


def test_all_metrics_are_in_it_and_no_two_columns_have_one_name() -> None:
    metrics = {**{f"m{n}": 1.0 for n in range(80)}, "val_loss": 2.0, "time": 1.0, "lr": 3.0}
    runs = [run(n, metrics=metrics) for n in range(4)]
    found = heads(render_table(dataclasses.replace(report(), runs=runs), None))
    assert {f"m{n}" for n in range(80)} <= {*found}
    assert {"metrics.time", "metrics.lr", "overrides.lr", "time"} <= {*found}
    assert len({*found}) == len(found)
