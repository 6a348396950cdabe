"""What notebooks show of results, by IPython's own formatter, and the table of pandas."""

import dataclasses

import pytest

from tmgg.console.progress import SweepProgress
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState, SpawnedSweep, TaskRequest
from tmgg.experiment_utils.run_folder.failures import failure
from tmgg.notebook import ProgressLines, progress, to_pandas

GOOD = ExperimentResult(
    run_id="s-0",
    config={"lr": 0.1, "model": {"width": 64}},
    status="completed",
    metrics={"val_loss": 0.25},
    duration_seconds=12.0,
)
BAD = ExperimentResult(
    run_id="s-1",
    config={"lr": 1.0, "model": {"width": 64}},
    status="failed",
    failure=failure("user_error", "boom"),
    error_message="<script>alert(1)</script>\x1b[2J",
)


def shown(value: object) -> str:
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _metadata = formatters.DisplayFormatter().format(value)
    return str(data["text/html"])


def test_a_result_shows_itself_and_foreign_text_is_text() -> None:
    assert "val_loss = 0.25" in shown(GOOD)
    text = shown(BAD)
    assert "failed (user_error)" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J" in text
    assert "<script" not in text


def test_a_whole_number_beyond_all_floats_is_shown() -> None:
    assert "n = " in shown(dataclasses.replace(GOOD, metrics={"n": 10**400}))


def test_a_spawned_sweep_says_how_to_come_back() -> None:
    assert "tmgg-jobs wait s" in shown(SpawnedSweep(sweep_id="s", run_ids=["s-0"]))


def test_reprs_are_short() -> None:
    many = {f"metric_{number}": float(number) for number in range(40)}
    result = dataclasses.replace(GOOD, config={"layers": [0] * 1000}, metrics=many)
    assert repr(result) == (
        "<ExperimentResult s-0: completed, metric_0=0, metric_1=1, metric_2=2, ...>"
    )
    assert repr(BAD) == "<ExperimentResult s-1: failed (user_error)>"
    run_ids = [f"s-{number}" for number in range(1000)]
    sweep = SpawnedSweep(sweep_id="s", run_ids=run_ids, refused={"s-1": BAD})
    assert repr(sweep) == "<SpawnedSweep s: 1000 runs, 1 refused>"
    request = TaskRequest(config=GOOD.config, payload=b"x" * 1000, title="lr=0.1")
    assert repr(request) == "<TaskRequest lr=0.1>"


def test_progress_is_lines_without_markup_of_others() -> None:
    states = [
        RunState(run_id="<b>-0", status="failed", final=True, failure=BAD.failure),
        RunState(run_id="<b>-1", status="running", final=False),
    ]
    counted = SweepProgress(total=3)
    counted.observe(states)
    lines = ProgressLines(counted)
    first, bar, failed = repr(lines).splitlines()
    assert first == "0:00  3 runs: 1 to submit, 1 running, 1 failed (1 user_error)"
    assert bar.endswith("1 of 3")
    assert failed.strip() == "failed: run <b>-0: user_error: boom"
    assert "run &lt;b&gt;-0" in lines._repr_html_()


def test_elsewhere_progress_is_lines_one_after_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress(1)([RunState(run_id="r", status="running", final=False)])
    assert capsys.readouterr().err == "run r: running\n"


def test_results_are_a_table_of_pandas() -> None:
    pytest.importorskip("pandas")
    table = to_pandas([GOOD, BAD])
    assert list(table["config.model.width"]) == [64, 64]
    assert table.loc[0, "metrics.val_loss"] == 0.25
    assert list(table["failure"].isna()) == [True, False]
    assert table.loc[1, "failure"] == "user_error"
    assert to_pandas([]).empty
