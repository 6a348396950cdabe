"""What came of a sweep, for programs."""

import csv
import dataclasses
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from tmgg.console import sweep_summary
from tmgg.console.ranking import Ranking
from tmgg.console.sweep_summary import SweepRow, render_csv, render_json, save_summary
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.run_folder.failures import failure

ROWS = [
    SweepRow(
        number=0,
        title='name="a,b"',
        result=ExperimentResult(
            run_id="s-0",
            config={"x": 1},
            status="completed",
            metrics={"val_loss": 0.5, "n": 3},
            nodes=["node1", "node2"],
        ),
    ),
    SweepRow(
        number=1,
        title="x=2",
        result=ExperimentResult(
            run_id="s-1",
            config={"x": 2},
            status="failed",
            failure=failure("timeout", "too long"),
            error_message="too long\nHINT: ask for more",
        ),
    ),
    SweepRow(
        number=2,
        title="x=3",
        result=ExperimentResult(
            run_id="s-2", config={"x": 3}, status="completed", metrics={"val_loss": math.inf}
        ),
    ),
]


def test_csv_has_a_line_for_each_run_and_a_column_for_each_metric() -> None:
    first, second, third = csv.DictReader(io.StringIO(render_csv(ROWS)))

    assert first["title"] == 'name="a,b"'
    assert (first["metrics.val_loss"], first["metrics.n"]) == ("0.5", "3")
    assert first["nodes"] == "node1 node2"
    assert (second["status"], second["failure"]) == ("failed", "timeout")
    assert second["error_message"] == "too long\nHINT: ask for more"
    assert (second["metrics.val_loss"], third["metrics.val_loss"]) == ("", "inf")


def test_json_has_everything_and_is_strict() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    told = json.loads(render_json(ROWS, Ranking()), parse_constant=refuse)

    assert told["counts"] == {"completed": 2, "failed": 1}
    assert told["failures"] == {"timeout": 1}
    assert (told["metric"], told["best"]) == ("val_loss", "s-0")
    assert [run["number"] for run in told["runs"]] == [0, 1, 2]
    assert told["runs"][0]["config"] == {"x": 1}
    assert told["runs"][1]["failure"]["kind"] == "timeout"
    assert told["runs"][2]["metrics"]["val_loss"] == "Infinity"


def test_the_best_is_none_where_no_run_has_the_metric() -> None:
    assert json.loads(render_json(ROWS, Ranking("accuracy")))["best"] is None


def test_the_files_are_written_to_a_folder_and_parquet_holds_the_same_table(
    tmp_path: Path,
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    paths = save_summary(ROWS, Ranking(), tmp_path / "sweep")

    assert sorted(path.suffix for path in paths) == [".csv", ".json", ".parquet"]
    assert parquet.read_table(str(paths[2])).to_pylist() == [
        {**row, "metrics.n": None if row["metrics.n"] is None else float(row["metrics.n"])}
        for row in sweep_summary.flatten(ROWS)
    ]


def test_without_pyarrow_there_is_no_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    paths = save_summary(ROWS, Ranking(), tmp_path)

    assert sorted(path.name for path in paths) == ["sweep_summary.csv", "sweep_summary.json"]


def test_a_sweep_without_runs_has_a_summary(tmp_path: Path) -> None:
    assert render_csv([]).strip() == "number"
    assert json.loads(render_json([], Ranking()))["runs"] == []
    assert save_summary([], Ranking(), tmp_path)


@pytest.mark.parametrize(("metric", "mode"), [("", "min"), ("loss", "least"), (3, "min")])
def test_a_ranking_that_cannot_be_is_refused(metric: str, mode: str) -> None:
    with pytest.raises(ConfigError, match="metric"):
        Ranking(metric, mode)  # type: ignore[arg-type]


HUGE = 10**400


def test_a_whole_number_beyond_all_floats_is_null_in_parquet_and_whole_elsewhere(
    tmp_path: Path,
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [_row(0, HUGE), _row(1, 2)]

    paths = save_summary(rows, Ranking(), tmp_path)

    assert parquet.read_table(str(paths[2]))["metrics.val_loss"].to_pylist() == [None, 2.0]
    assert str(HUGE) in paths[0].read_text()
    assert json.loads(paths[1].read_text())["runs"][0]["metrics"]["val_loss"] == HUGE


def test_whole_numbers_that_no_float_holds_stay_apart_in_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    large = 12_000_000_000_000_000_001
    given = [(large, f"{large}", 7), (large + 1, f"{large + 1}", large), (5, "0.5", large + 1)]
    rows = [
        dataclasses.replace(_row(number, metric), title=f"m={mixed} k={whole}")
        for number, (metric, mixed, whole) in enumerate(given)
    ]
    table = parquet.read_table(str(save_summary(rows, Ranking(), tmp_path)[2]))
    assert table["overrides.m"].to_pylist() == [str(large), str(large + 1), "0.5"]
    assert table["overrides.k"].to_pylist() == [7, large, large + 1]
    assert table["metrics.val_loss"].to_pylist() == [large, large + 1, 5]


@pytest.mark.parametrize(("mode", "best"), [("min", [2, 1, 0]), ("max", [0, 1, 2])])
def test_whole_numbers_beyond_all_floats_are_ranked(mode: Any, best: list[int]) -> None:
    rows = [_row(0, HUGE), _row(1, 2), _row(2, -HUGE)]

    ordered = sweep_summary.sort_rows(rows, Ranking("val_loss", mode))

    assert [row.number for row in ordered] == best


def test_whatever_keeps_one_file_from_being_made_costs_only_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(sweep_summary, "render_csv", fail)

    paths = save_summary(ROWS, Ranking(), tmp_path)

    assert tmp_path / "sweep_summary.json" in paths
    assert "sweep_summary.csv cannot be written: no such thing" in caplog.text


def _row(number: int, value: int) -> SweepRow:
    result = ExperimentResult(
        run_id=f"s-{number}", config={}, status="completed", metrics={"val_loss": value}
    )
    return SweepRow(number=number, title="", result=result)


def test_text_in_the_csv_cannot_act_on_a_terminal_and_numbers_stay_numbers() -> None:
    result = ExperimentResult(
        run_id="a",
        config={},
        status="failed",
        metrics={"met\x1b]0;PWN\x07": 1.5},
        error_message="msg\x1b[31m\x9b, two\nlines",
    )
    text = render_csv([SweepRow(number=0, title="x=\x1bc", result=result)])
    assert not set(text) & set("\x1b\x07\x9b")
    (row,) = csv.DictReader(io.StringIO(text))
    assert [row[name] for name in row if name.endswith("met\\x1b]0;PWN\\x07")] == ["1.5"]
    assert "two\nlines" in text
