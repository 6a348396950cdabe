"""Learning curves from what runs logged."""

import importlib.util
import math
from pathlib import Path

import pytest

from tmgg.report.curves import (
    MOST_POINTS,
    find_curve_files,
    parse_table,
    read_curves,
    thin,
)

# As Lightning's CSVLogger writes it: what is logged once an epoch has gaps elsewhere.
LIGHTNING = """epoch,step,train_loss,val_loss
0,9,0.9,
0,9,,0.8
1,19,0.5,
1,19,,nan
2,29,0.25,
2,29,,0.4
"""


def test_a_column_is_a_curve_and_what_is_no_number_a_gap() -> None:
    train, val = parse_table(LIGHTNING)
    assert (train.name, list(train.points)) == ("train_loss", [(9, 0.9), (19, 0.5), (29, 0.25)])
    assert (val.name, [val.points[0], val.points[2]]) == ("val_loss", [(9, 0.8), (29, 0.4)])
    assert val.points[1][0] == 19
    assert math.isnan(val.points[1][1])


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n3,4\n", "step,loss\n1,0.5\n", "step,name\n1,a\n2,b\n", "\x00\n", "step\n1\n"],
)
def test_a_table_without_steps_or_numbers_has_none(text: str) -> None:
    assert parse_table(text) == []


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    points = [(float(k), float(k)) for k in range(10_000)]
    kept = thin(points)
    assert len(kept) == MOST_POINTS
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert thin(points[:3]) == points[:3]


def test_files_are_found_below_the_output_folder(tmp_path: Path) -> None:
    folder = tmp_path / "lightning_logs" / "version_0"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(LIGHTNING)
    (tmp_path / "predictions.csv").write_text("id,label\n1,2\n")
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    files = find_curve_files([tmp_path, tmp_path / "not there"])
    assert [curve.name for curve in read_curves(files)] == ["train_loss", "val_loss"]


def test_a_folder_of_very_many_files_is_looked_at_in_part(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.csv").touch()
    assert len(find_curve_files([tmp_path]).tables) < 500


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="no tensorboard")
def test_event_files_are_read_by_tensorboards_reader(tmp_path: Path) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path / "tb")) as writer:
        for step in range(5):
            writer.add_scalar("val_loss", 1 / (step + 1), step)
    (tmp_path / "tb" / "events.out.tfevents.0.broken").write_bytes(b"no event file")
    (curve,) = read_curves(find_curve_files([tmp_path]))
    assert curve.name == "val_loss"
    last = curve.points[-1]
    assert last[0] == 4.0
    assert last[1] == pytest.approx(0.2)
