"""What notebooks show of results, by IPython's own formatter, and the table of pandas."""

import dataclasses

import pytest

from tmgg.experiment_utils.cloud.runs import ExperimentResult, SpawnedSweep
from tmgg.experiment_utils.run_folder.failures import failure

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


def test_results_are_a_table_of_pandas() -> None:
    pytest.importorskip("pandas")
    from tmgg.notebook import to_pandas

    table = to_pandas([GOOD, BAD])
    assert list(table["config.model.width"]) == [64, 64]
    assert table.loc[0, "metrics.val_loss"] == 0.25
    assert list(table["failure"].isna()) == [True, False]
    assert table.loc[1, "failure"] == "user_error"
    assert to_pandas([]).empty
