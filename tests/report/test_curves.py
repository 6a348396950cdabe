"""Learning curves from what runs logged."""

import importlib.util
import math
from pathlib import Path

import pytest

from tmgg.report.curve_files import MOST_BYTES, find_curve_files
from tmgg.report.curves import (
    MOST_CURVES,
    MOST_POINTS,
    join_attempts,
    parse_table,
    read_curves,
    thin,
)
from tmgg.report.model import Curve

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
    ["", "a,b\n1,2\n3,4\n", "step,name\n1,a\n2,b\n", "\x00\n", "step\n1\n"],
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


def test_a_last_line_without_an_end_is_still_being_written() -> None:
    (curve,) = parse_table("step,loss\n1000,0.51\n1001,0.49\n1002,0.")
    assert list(curve.points) == [(1000, 0.51), (1001, 0.49)]


def write_table(path: Path, steps: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{step},{step / 8}\n" for step in steps)
    path.write_text(f"step,loss\n{rows}")


def test_of_very_many_names_the_objective_is_read(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(100)]
    rows = "".join(f"{step}{',1' * 100}\n" for step in range(3))
    (tmp_path / "m.csv").write_text(f"step,{','.join(names)}\n{rows}")
    curves = read_curves(find_curve_files([tmp_path]), "c99")
    assert [curve.name for curve in curves] == ["c99", *names[: MOST_CURVES - 1]]


def test_one_point_alone_is_no_curve(tmp_path: Path) -> None:
    write_table(tmp_path / "m.csv", range(1))
    assert read_curves(find_curve_files([tmp_path])) == []


def test_one_point_of_a_later_attempt_goes_on_with_the_curve(tmp_path: Path) -> None:
    write_table(tmp_path / "version_0" / "m.csv", range(3))
    write_table(tmp_path / "version_1" / "m.csv", range(3, 4))
    (curve,) = read_curves(find_curve_files([tmp_path]))
    assert [step for step, _value in curve.points] == [0, 1, 2, 3]


def test_the_attempts_of_a_run_are_one_curve(tmp_path: Path) -> None:
    for version, steps in ((2, range(300, 350)), (10, range(320, 500)), (1, range(310))):
        write_table(tmp_path / "logs" / f"version_{version}" / "metrics.csv", steps)
    (curve,) = read_curves(find_curve_files([tmp_path]))
    assert (curve.points[0], curve.points[-1]) == ((0, 0), (499, 499 / 8))
    assert len(curve.points) == MOST_POINTS


def test_of_two_copies_the_one_with_more_points_counts_however_long(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", range(0, 1000, 2))
    write_table(tmp_path / "b.csv", range(1000))
    (curve,) = read_curves(find_curve_files([tmp_path]))
    assert curve.points[-1] == (999, 999 / 8)


def test_a_later_attempt_replaces_what_earlier_ones_logged_beyond_its_start() -> None:
    first, second = [(0.0, 9.0), (1.0, 8.0), (2.0, 7.0)], [(1.0, 4.0)]
    (curve,) = join_attempts([[Curve("loss", first)], [Curve("loss", second)]])
    assert list(curve.points) == [(0.0, 9.0), (1.0, 4.0)]


def test_a_large_table_is_read_over_its_whole_length(tmp_path: Path) -> None:
    write_table(tmp_path / "m.csv", range(400_000))
    assert (tmp_path / "m.csv").stat().st_size > MOST_BYTES
    (curve,) = read_curves(find_curve_files([tmp_path]))
    assert (curve.points[0], curve.points[-1]) == ((0, 0), (399_999, 399_999 / 8))
    assert all(value == step / 8 for step, value in curve.points), "no line was cut"
    widest = max(b[0] - a[0] for a, b in zip(curve.points, curve.points[1:], strict=False))
    assert widest < 400_000 / 32
    assert curve.is_sampled


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


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="no tensorboard")
def test_the_event_files_of_a_runs_attempts_are_one_curve(tmp_path: Path) -> None:
    from tensorboardX import SummaryWriter

    for version, steps in enumerate((range(4), range(3, 6))):
        with SummaryWriter(str(tmp_path / f"version_{version}")) as writer:
            for step in steps:
                writer.add_scalar("loss", version + step / 8, step)
    (curve,) = read_curves(find_curve_files([tmp_path]))
    assert list(curve.points) == [
        (0, 0), (1, 1 / 8), (2, 2 / 8), (3, 11 / 8), (4, 12 / 8), (5, 13 / 8),
    ]  # fmt: skip
