"""The table of a sweep at 80 and 200 columns and in a pipe: every row is told apart."""

import itertools
import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tmgg.console import report
from tmgg.console.ranking import Ranking
from tmgg.console.sweep_summary import SweepRow, flatten, save_summary
from tmgg.console.sweep_table import (
    metric_columns,
    other_columns,
    overrides_columns,
    short_ids,
    time_column,
)
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.run_folder.failures import failure

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SWEEP = "20261123-141503-9f2c01ab"
METRICS = {
    "train_loss": 0.123456, "val_loss": 0.456789, "val_mse": 0.000123456, "test_loss": 0.451111,
    "noisy_loss": 1.2345, "gap_closed": 0.731234, "epochs": 12, "graphs_per_second": 10234.5,
    "best_epoch": 9, "parameters": 123456,
}  # fmt: skip


def row(number: int, title: str, **more: object) -> SweepRow:
    given = {"status": "completed", "config": {}, "duration_seconds": 754.0} | more
    run_id = f"{SWEEP}-{number}"
    return SweepRow(number=number, title=title, result=ExperimentResult(run_id=run_id, **given))  # type: ignore[arg-type]


def two_models_by_two_seeds() -> list[SweepRow]:
    grid = itertools.product(("spectral_linear", "graph_convolutional_attention"), (1, 2))
    return [
        row(
            number,
            f"+stage=stage1_poc models/denoising@model={model} seed={seed}",
            metrics=METRICS | {"val_loss": 0.456789 + number / 100},
        )
        for number, (model, seed) in enumerate(grid)
    ]


def twelve_with_two_failures() -> list[SweepRow]:
    why = {3: failure("out_of_memory", "killed at 4 GB"), 7: failure("user_error", "boom")}
    return [
        row(
            number,
            f"trainer.optimizer.lr={0.1 / 2**number:.6g} trainer.max_epochs=50",
            status="failed" if number in why else "completed",
            failure=why.get(number),
            error_message=why[number].message if number in why else None,
            metrics={} if number in why else METRICS,
        )
        for number in range(12)
    ]


def printed(
    rows: list[SweepRow],
    width: int | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ranking: Ranking | None = None,
) -> list[str]:
    """Lines of the table and what follows; on a terminal of this width, or in a pipe."""
    monkeypatch.setenv("COLUMNS", str(width or 80))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: width is not None)
    report.print_sweep(rows, ranking or Ranking())
    return _COLOUR.sub("", capsys.readouterr().out).splitlines()


@pytest.mark.parametrize("width", [80, 200, None])
def test_of_two_models_by_two_seeds_every_row_is_told_apart_and_the_objective_is_whole(
    width: int | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = two_models_by_two_seeds()
    head, *lines = printed(rows, width, capsys, monkeypatch)
    if width:
        table = [head, *lines[:4], *(line for line in lines if "no room" in line)]
        assert max(map(len, table)) <= width
    names = head.split()
    assert "stage" not in names, "it does not vary"
    for number, line in enumerate(lines[:4]):
        cells = dict(zip(names, line.split(), strict=True))
        assert cells["seed"] == str(number % 2 + 1)
        model = ("spectral_linear", "graph_convolutional_attention")[number // 2]
        assert cells["model"] == model
        assert cells["val_loss"] == f"{0.456789 + number / 100:.6g}"
        assert f"{SWEEP}-{number}".endswith(cells["run"])
    assert len({*lines[:4]}) == 4


@pytest.mark.parametrize("width", [80, 200, None])
def test_of_a_sweep_with_two_failures_these_are_named(
    width: int | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = twelve_with_two_failures()
    head, *lines = printed(rows, width, capsys, monkeypatch)
    names = head.split()
    assert {"lr", "status", "val_loss", "run"} <= {*names}
    for number, line in enumerate(lines[:12]):
        cells = line.split()
        assert cells[names.index("lr")] == f"{0.1 / 2**number:.6g}"
        kind = {3: "out_of_memory", 7: "user_error"}.get(number, "completed")
        assert cells[names.index("status")] == kind
    if width:
        assert max(map(len, [head, *lines[:12]])) <= width


def test_what_has_no_room_is_reported_in_one_line_with_the_cure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(two_models_by_two_seeds(), 80, capsys, monkeypatch)
    (line,) = [line for line in lines if "no room for" in line]
    assert "tmgg-jobs collect 9f2c01ab --columns NAME,..." in line
    wide = printed(two_models_by_two_seeds()[:2], 200, capsys, monkeypatch)
    assert not [line for line in wide if "no room for" in line]


def test_the_metric_that_was_chosen_has_room_before_all_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ranking = Ranking("gap_closed", "max")
    lines = printed(two_models_by_two_seeds(), 80, capsys, monkeypatch, ranking)
    assert "gap_closed" in lines[0].split()
    assert "0.731234" in lines[1].split()


def test_titles_of_other_words_stay_one_column() -> None:
    rows = [row(0, "the baseline"), row(1, "lr=1")]
    (column,) = overrides_columns(rows)
    assert (column.name, column.cells) == ("overrides", ["the baseline", "lr=1"])
    assert overrides_columns([row(0, ""), row(1, "")]) == []


def test_short_ids_tell_as_much_as_whole_ones() -> None:
    ids = [f"{SWEEP}-0", f"{SWEEP}-1", "mine"]
    assert short_ids(ids) == ["9f2c01ab-0", "9f2c01ab-1", "mine"]
    assert short_ids(["20261123-141503-9f2c01ab-0", "20261124-141503-9f2c01ab-0"]) is None


def test_the_metric_by_which_runs_are_ranked_comes_first() -> None:
    rows = [row(0, "", metrics={"val_loss": 1, "accuracy": 2, "n": 3})]
    shown = metric_columns(rows, ["val_loss", "accuracy", "n"], Ranking("accuracy", "max"))
    assert [column.name for column in shown] == ["accuracy", "val_loss", "n"]


def test_metrics_and_overrides_of_other_columns_names_are_told_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = {"val_loss": 1, "time": 2, "run": 3, "lr": 4}
    rows = [row(n, f"opt.lr={n} status={n}", metrics=metrics) for n in range(2)]
    head = printed(rows, None, capsys, monkeypatch)[0].split()
    assert head == [
        "#", "overrides.opt.lr", "overrides.status", "status", "time", "val_loss", "metrics.time",
        "metrics.run", "metrics.lr", "run",
    ]  # fmt: skip


def test_what_does_not_vary_and_the_configs_may_be_asked_for() -> None:
    config = {"a": {"b": 1, "c": "x"}, "token": "hidden", "empty": {}}
    rows = [
        replace(row(n, f"lr={n} seed=7", config=config), as_written={"token": "${oc.env:T}"})
        for n in range(2)
    ]
    assert {column.name: column.cells[0] for column in other_columns(rows)} == {
        "seed": "7", "config.a.b": "1", "config.a.c": "x", "config.token": "${oc.env:T}",
        "config.empty": "{}",
    }  # fmt: skip


def test_programs_get_the_same_columns_with_types(tmp_path: Path) -> None:
    rows = [
        row(0, "model=mlp lr=0.1 n=1 deep=true w=1", metrics={"loss": 0.5, "n": 3}),
        row(1, "model=gcn lr=1 n=2 deep=false w=big", metrics={"loss": math.inf, "n": 4}),
    ]
    save_summary(rows, Ranking(), tmp_path)
    runs = json.loads((tmp_path / "sweep_summary.json").read_text())["runs"]
    first = {"model": "mlp", "lr": 0.1, "n": 1, "deep": True, "w": 1}
    assert runs[0]["overrides"] == first
    head = (tmp_path / "sweep_summary.csv").read_text().splitlines()[0].split(",")
    names = [f"overrides.{key}" for key in first]
    assert [name for name in head if name.startswith("overrides.")] == names
    parquet = pytest.importorskip("pyarrow.parquet")
    schema = parquet.read_table(tmp_path / "sweep_summary.parquet").schema
    kinds = [str(schema.field(name).type) for name in names]
    assert kinds == ["string", "double", "int64", "bool", "string"]


def test_numbers_beyond_all_types_cost_no_file(tmp_path: Path) -> None:
    rows = [row(0, f"n={10**400} m=1"), row(1, "n=1.5 m=x\udc80")]
    assert len(save_summary(rows, Ranking(), tmp_path)) >= 2


def test_the_screen_in_the_docs_is_what_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(twelve_with_two_failures(), 80, capsys, monkeypatch)
    shown = [*lines[:5], *(line for line in lines if "no room" in line)]
    page = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
    assert "\n".join(shown) in page


@pytest.mark.parametrize("first", [0.1, 1234567.0])
def test_runs_that_are_ranked_do_not_look_alike(
    first: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = first * 1e-6 / 1234.567
    values = [first + number * step for number in (2, 0, 1)]
    rows = [row(n, f"n={n}", metrics={"val_loss": value}) for n, value in enumerate(values)]
    head, *lines = printed(rows, None, capsys, monkeypatch)
    place = head.split().index("val_loss")
    assert len({line.split()[place] for line in lines[:3]}) == 3
    assert lines[3] == f"best val_loss: {lines[1].split()[place]} (#1 n=1)"


def test_a_run_of_which_no_time_is_known_has_an_empty_cell_not_zero() -> None:
    rows = [row(0, "lr=1"), row(1, "lr=2", duration_seconds=None)]
    assert list(time_column(rows).cells) == ["12:34", ""]
    assert [each["duration_seconds"] for each in flatten(rows)] == [754.0, None]


def test_a_metric_that_no_run_has_is_reported_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [row(n, f"n={n}", metrics={"val_loss": n, "acc": 1}) for n in range(2)]
    report.print_sweep(rows, Ranking("nothere"))
    told = capsys.readouterr().err
    assert "no run has the metric 'nothere', so none is the best; there are acc, val_loss" in told
    report.print_sweep(rows, Ranking("acc"))
    assert "no run has" not in capsys.readouterr().err


def test_a_run_that_left_no_log_names_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = failure("cancelled", "It was cancelled before it began.")
    more = {"status": "failed", "failure": why, "error_message": why.message}
    (tmp_path / "there.out").touch()
    for name in ("there", "absent"):
        rows = [row(n, f"n={n}", output_path=str(tmp_path / f"{name}.out"), **more) for n in (1, 2)]
        report.print_sweep(rows, Ranking())
        report.print_failure(rows[0].result)
        assert (f"log: {tmp_path}" in capsys.readouterr().err) is (name == "there")
