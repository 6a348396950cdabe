"""What is printed at the end."""

import math

import pytest

from tmgg.cli import report
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.failures import failure


def result(run_id: str, **more: object) -> ExperimentResult:
    given = {"status": "completed", "config": {}} | more
    return ExperimentResult(run_id=run_id, **given)  # type: ignore[arg-type]


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
    assert report.render_number(value) == text


def test_a_sweep_is_a_row_for_each_run_with_every_metric(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report.print_sweep(
        [4, 5],
        ["lr=[1]", "lr=2"],
        [result("a", metrics={"loss": 0.5}), result("b", metrics={"accuracy": 1.0})],
    )

    header, first, second = (
        line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")
    )
    assert header == ["#", "overrides", "status", "time", "loss", "accuracy", "run"]
    assert first == ["4", "lr=[1]", "completed", "0:00", "0.5", "a"]
    assert second == ["5", "lr=2", "completed", "0:00", "1", "b"]


def test_failures_come_with_kind_reason_advice_and_logs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = failure("out_of_memory", "killed at 4 GB")
    failed = result(
        "b",
        status="failed",
        failure=why,
        error_message=f"{why.message}\nHINT: {why.hint}",
        output_path="/logs/b.out",
    )

    report.print_sweep([0, 1], ["lr=1", "lr=2"], [result("a"), failed])

    out, err = capsys.readouterr()
    assert "out_of_memory" in out
    assert "run b [lr=2] failed (out_of_memory):\nkilled at 4 GB\nHINT: Increase" in err
    assert "errors: /logs/b.err" in err
    assert "1 of 2 runs failed" in err


def test_of_many_failures_the_first_are_told_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = [result(f"r{n}", status="failed", error_message="why") for n in range(15)]

    report.print_sweep(list(range(15)), [f"n={n}" for n in range(15)], many)

    err = capsys.readouterr().err
    assert err.count("failed:") == 10
    assert "15 of 15 runs failed; 5 of them not shown above" in err
