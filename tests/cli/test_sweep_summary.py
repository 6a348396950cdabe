"""What came of a sweep, for programs."""

import csv
import io
import json
import math
import sys
from pathlib import Path

import pytest

from tmgg.cli import sweep_summary
from tmgg.cli.ranking import Ranking
from tmgg.cli.sweep_summary import SweepRow, render_csv, render_json, save_summary
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.failures import failure

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
