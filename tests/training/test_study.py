"""One command for a stage's table and figure."""

import json
import math
import statistics
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tmgg.experiments.study import compose, main
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


@pytest.mark.parametrize(("count", "quantile"), [(11, 2.228), (31, 2.042), (61, 2.000)])
def test_an_interval_of_many_seeds_is_that_of_students_t(count: int, quantile: float) -> None:
    values = [0.01 * number for number in range(count)]
    expected = quantile * statistics.stdev(values) / math.sqrt(count)
    assert interval(values)[1] == pytest.approx(expected, rel=1e-3)


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
        (["seed=7"], "seed=7 is decided by --seeds"),
        (["model=gnn"], "model=gnn is decided by --models"),
        (["++model.name=gnn"], "model.name=gnn is decided by --models"),
        (["trainer.workers=2"], "trainer.workers=2 has no meaning here"),
        (["output_dir=elsewhere"], "output_dir=elsewhere is decided by --folder"),
        (["resume_from=a.ckpt"], "resume_from=a.ckpt is decided by --folder"),
        (["+stage=stage1_sanity"], "stage=stage1_sanity is decided by the first argument"),
        (["experiment._target_=a:b"], "experiment._target_=a:b has no meaning here"),
        (["hydra/launcher=tmgg_slurm"], "hydra/launcher=tmgg_slurm has no meaning here"),
    ],
)
def test_what_cannot_be_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(["stage1_poc", "--folder", str(tmp_path), *more]) == 2
    assert message in capsys.readouterr().err


def test_a_stage_without_a_test_set_is_shown_by_its_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stage1_sanity", "--models", "linear_pe", "--seeds", "0", "--folder", str(tmp_path)]
    short = ["trainer.steps=6", "trainer.validate_every=6", "data.n=8"]
    assert main([*command, *short]) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("| predictor | validation loss | edge error | gap closed | seeds |")
    assert [row.split(" | ")[0] for row in rows[:3]] == [
        "| edge-only",
        "| `linear_pe`",
        "| block oracle",
    ]
    metrics = json.loads((tmp_path / "linear_pe/seed_0/metrics.json").read_text())["metrics"]
    assert f" | {metrics['val_loss']:.4f} | {metrics['edge_error']:.4f} | " in rows[1]
    figure = ET.fromstring((tmp_path / "figure.svg").read_text())
    assert len([item for item in figure if item.tag.endswith("circle")]) == 2


def test_a_training_that_diverges_leaves_the_others_in_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stage1_poc", "--models", "linear_pe,filter_bank", "--folder", str(tmp_path)]
    wild = [*SHORT, "trainer.learning_rate=1e30"]
    assert main([*command, "--seeds", "0", *wild]) == 1
    assert "no training came to an end" in capsys.readouterr().err
    assert main(["stage1_poc", "--models", "linear_pe", *command[3:], "--seeds", "0", *SHORT]) == 0
    kept = tmp_path / "linear_pe" / "seed_0" / "metrics.json"
    asked = compose(["+stage=stage1_poc", "model=linear_pe", "seed=0", *wild])
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "config": asked}))
    capsys.readouterr()

    assert main([*command, "--seeds", "0,1", *wild]) == 1

    table = capsys.readouterr().out
    assert table == (tmp_path / "table.md").read_text()
    assert "| `linear_pe` | " in table
    assert "| `filter_bank` |" not in table
    assert "Not in the table: `linear_pe` with seed 1 (training diverged at step" in table
    assert "; `filter_bank` with seed 0 (" in table
    assert (tmp_path / "figure.svg").is_file()
