"""One command for a stage's table and figure."""

import json
import math
import statistics
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tmgg.experiments.study import main
from tmgg.experiments.study_table import interval

SHORT = [
    "trainer.steps=6", "trainer.validate_every=6", "trainer.checkpoint_every=6", "data.n=16",
    "data.validation_graphs=8", "data.test_graphs=16", "trainer.bayes=off", "trainer.batch_size=8",
]  # fmt: skip


def test_an_interval_is_that_of_students_t() -> None:
    values = [0.61, 0.63, 0.62]
    mean, half = interval(values)
    assert mean == pytest.approx(0.62)
    assert half == pytest.approx(4.303 * statistics.stdev(values) / math.sqrt(3), rel=1e-3)
    assert math.isnan(interval([0.5])[1])


def test_a_study_trains_what_is_missing_and_makes_table_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stage2_validation", "--models", "linear_pe,filter_bank", "--folder", str(tmp_path)]
    assert main([*command, "--seeds", "0", *SHORT]) == 0
    alone = capsys.readouterr().out
    first = tmp_path / "linear_pe" / "seed_0" / "metrics.json"
    before = first.stat().st_mtime_ns
    assert main([*command, "--seeds", "0,1", *SHORT]) == 0
    table = capsys.readouterr().out
    assert first.stat().st_mtime_ns == before
    assert table == (tmp_path / "table.md").read_text()
    assert "±" not in alone.partition("Gap closed is")[0]
    metrics = json.loads(first.read_text())["metrics"]
    other = json.loads((tmp_path / "linear_pe/seed_1/metrics.json").read_text())["metrics"]
    mean = (metrics["shift_size_48_gap_closed"] + other["shift_size_48_gap_closed"]) / 2
    (row,) = [line for line in table.splitlines() if line.startswith("| size_48 |")]
    assert f"| {mean:.2f} ± " in row
    (flat,) = [line for line in table.splitlines() if line.startswith("| erdos_renyi_30 |")]
    name = "shift_erdos_renyi_30_excess"
    assert f"| {(metrics[name] + other[name]) / 2:.4f} ± " in flat
    figure = ET.fromstring((tmp_path / "figure.svg").read_text())
    marks = [item for item in figure if item.tag.endswith("circle")]
    assert len(marks) == 12 * 2 + 2  # twelve shifts with a gap, two models, and the legend


def test_other_settings_are_trained_anew(tmp_path: Path) -> None:
    command = ["stage1_poc", "--models", "linear_pe", "--seeds", "0", "--folder", str(tmp_path)]
    assert main([*command, *SHORT]) == 0
    kept = tmp_path / "linear_pe" / "seed_0" / "metrics.json"
    before = json.loads(kept.read_text())["metrics"]["test_loss"]
    assert main([*command, *SHORT, "noise.eps=0.2"]) == 0
    assert json.loads(kept.read_text())["metrics"]["test_loss"] > before
    assert "| block oracle |" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--models", "mlp"], "--models has mlp; known models: linear_pe"),
        (["--seeds", "a"], "--seeds is 'a'; give whole numbers"),
        (["trainer.stpes=1"], "stpes"),
    ],
)
def test_what_cannot_be_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(["stage1_poc", "--folder", str(tmp_path), *more]) == 2
    assert message in capsys.readouterr().err
