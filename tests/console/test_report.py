"""What is printed at the end."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tmgg.console import report
from tmgg.console.numbers import render_number
from tmgg.console.ranking import Ranking
from tmgg.console.sweep_summary import SweepRow
from tmgg.console.sweep_table import METRICS_SHOWN
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.run_folder.failures import failure


def result(run_id: str, **more: object) -> ExperimentResult:
    given = {"status": "completed", "config": {}, "duration_seconds": 0.0} | more
    return ExperimentResult(run_id=run_id, **given)  # type: ignore[arg-type]


def rows(*results: ExperimentResult) -> list[SweepRow]:
    return [
        SweepRow(number=number, title=f"lr={number}", result=one)
        for number, one in enumerate(results)
    ]


def test_metrics_are_a_table_and_places_are_whole_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = "/" + "very/" * 60 + "long"

    report.print_metrics({"loss": 0.123456789, "n": 3}, {"output": place, "checkpoint": None})

    out = capsys.readouterr().out
    assert ["loss", "0.123457"] in [line.split() for line in out.splitlines()]
    assert ["n", "3"] in [line.split() for line in out.splitlines()]
    assert f"output: {place}\n" in out
    assert "checkpoint" not in out


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (True, "True"), (math.nan, "nan"), (-math.inf, "-inf"), (1e-9, "1e-09"), (2.0, "2")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert render_number(value) == text


def test_a_sweep_is_a_row_for_each_run_with_every_metric(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = rows(result("a", metrics={"loss": 0.5}), result("b", metrics={"accuracy": 1.0}))
    given[0] = replace(given[0], title="lr=[1]")

    report.print_sweep(given, Ranking())

    header, first, second = (
        line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")
    )
    assert header == ["#", "lr", "status", "time", "loss", "accuracy", "run"]
    assert first == ["0", "[1]", "completed", "0:00", "0.5", "a"]
    assert second == ["1", "1", "completed", "0:00", "1", "b"]


def test_failures_come_with_kind_reason_advice_and_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.out").touch()
    why = failure("out_of_memory", "killed at 4 GB")
    failed = result(
        "b",
        status="failed",
        failure=why,
        error_message=f"{why.message}\nHINT: {why.hint}",
        output_path=str(tmp_path / "b.out"),
    )

    report.print_sweep(rows(result("a"), failed), Ranking())

    out, err = capsys.readouterr()
    assert "out_of_memory" in out
    assert "1 failed (out_of_memory: killed at 4 GB)\n  lr=1  run b\n" in err
    assert f"log: {tmp_path}/b.out (and .err)\n  HINT: " in err
    assert "1 of 2 runs failed" in err


def test_a_single_run_that_was_refused_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    why = failure("submission", "Invalid account")
    words = f"{why.message}\nHINT: {why.hint}"
    report.print_sweep(
        rows(result("a", status="failed", failure=why, error_message=words)), Ranking()
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert "failed (submission):\nInvalid account\nHINT: " in err
    assert len(err.splitlines()) <= 5


def test_failures_of_one_cause_are_listed_together_and_each_run_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def failed(run_id: str, message: str) -> ExperimentResult:
        why = failure("user_error", message)
        return result(run_id, status="failed", failure=why, error_message=message)

    given = rows(
        failed("a", "no data for seed 1\n  File train.py"),
        failed("b", "boom"),
        failed("c", "no data for seed 3\n  File train.py"),
        result("d"),
    )
    report.print_sweep(given, Ranking())

    err = capsys.readouterr().err
    assert (
        "2 failed (user_error, for example: no data for seed 1)\n  lr=0  run a\n  lr=2  run c\n"
        in err
    )
    assert err.count("File train.py") == 1
    assert all(err.count(f"run {name}\n") == 1 for name in "abc")


def test_of_many_failures_the_first_are_reported_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = [result(f"r{n}", status="failed", error_message="why") for n in range(15)]

    report.print_sweep(rows(*many), Ranking())

    err = capsys.readouterr().err
    assert err.count("failed: why") == 10
    assert "and 5 more" in err
    assert "15 of 15 runs failed" in err


def test_the_table_is_sorted_by_the_metric_that_was_chosen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = rows(
        result("a", metrics={"loss": 2.0}),
        result("b", status="failed", error_message="why"),
        result("c", metrics={"loss": 1.0}),
        result("d", metrics={"loss": math.nan}),
    )

    report.print_sweep(given, Ranking("loss"))
    out = capsys.readouterr().out
    report.print_sweep(given, Ranking("loss", "max"))
    reverse = capsys.readouterr().out

    assert [line.split()[0] for line in out.splitlines()] == ["#", "2", "0", "1", "3", "best"]
    assert "best loss: 1 (#2 lr=2)" in out
    assert "best loss: 2 (#0 lr=0)" in reverse


def test_of_thousands_of_metrics_the_chosen_and_the_first_few_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = {f"m{index}": float(index) for index in range(20_000)}
    report.print_sweep(
        rows(result("a", metrics=many), result("b", metrics=many)), Ranking("m19999")
    )
    table = capsys.readouterr().out
    header = table.split("run")[0].split()
    assert [name for name in header if name.startswith("m")] == [
        "m19999",
        *(f"m{index}" for index in range(METRICS_SHOWN - 1)),
    ]
    assert "19992 more metrics are not shown" in table
    report.print_metrics(many, {})
    told = capsys.readouterr().out
    assert "19900 more metrics are not shown" in told
    assert len(told.splitlines()) < 120
