"""Each figure, by itself."""

import dataclasses
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.report.sample import report, run
from tmgg.report import figure_files
from tmgg.report.drawing import Scale, escaped, scale_of, shortened
from tmgg.report.figures import by_parameter, hours, learning, parallel, timeline
from tmgg.report.page import figures_of
from tmgg.report.style import DARK, LIGHT, figure_style


def test_the_objective_is_drawn_by_each_hyperparameter_but_the_seed() -> None:
    figures = by_parameter.draw(report())
    assert [figure.title for figure in figures] == ["val_loss by lr", "val_loss by width"]
    # A dot and an interval for each choice of learning rate and width.
    assert figures[0].body.count("<circle") == 4
    assert figures[0].body.count('class="interval"') == 4


def test_values_are_in_order_numbers_first() -> None:
    assert by_parameter.in_order(["1e-3", "adam", "10", "0.5", "true"]) == [
        "1e-3", "0.5", "10", "adam", "true",
    ]  # fmt: skip


def test_each_run_that_completed_is_a_line_through_its_hyperparameters() -> None:
    (figure,) = parallel.draw(report())
    assert figure.body.count("<polyline") == 10
    assert "lr=0.1 width=64 seed=0: val_loss 0.5" in figure.body


def test_a_sweep_in_which_nothing_varies_has_no_such_figures() -> None:
    same = dataclasses.replace(report(), runs=[run(0), run(0)])
    assert parallel.draw(same) == by_parameter.draw(same) == []


def test_a_learning_curve_has_a_line_for_each_run() -> None:
    (figure,) = learning.draw(report())
    assert figure.title == "val_loss"
    assert figure.body.count("<polyline") == 12
    assert figure.body.count("curve bad") == 2


def test_the_timeline_has_a_bar_for_each_stretch() -> None:
    (figure,) = timeline.draw(report())
    assert figure.body.count('class="run"') == 10
    assert figure.body.count('class="failed"') == 2
    (large,) = timeline.draw(report(1000))
    assert large.height < 1500


def test_the_hours_are_one_bar_in_parts() -> None:
    (figure,) = hours.draw(report())
    for kind in ("run", "idle", "startup", "failed"):
        assert figure.body.count(f'class="{kind}"') == 1


@pytest.mark.parametrize(
    ("values", "is_log"),
    [([0.1, 1.0], False), ([1e-5, 1e-1], True), ([0.0, 9.0], False), ([3.0, 3.0], False)],
)
def test_a_scale_holds_its_values_and_has_ticks_among_them(
    values: list[float], is_log: bool
) -> None:
    scale = scale_of(values, 0.0, 100.0)
    assert scale.is_log is is_log
    assert all(0 <= scale(value) <= 100 for value in values)
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks())
    assert 1 <= len(scale.ticks()) <= 20


def test_ticks_are_round() -> None:
    assert Scale(0.0, 1.0, 0, 1).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_labels_are_shortened_and_safe() -> None:
    assert shortened("a" * 100, 11) == "aaaaa…aaaaa"
    assert escaped('<a href="x">\n\x1b') == "&lt;a href=&quot;x&quot;&gt;\\n\\x1b"


def test_light_and_dark_have_the_same_colours_and_figures_need_no_others() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert "var(" not in figure_style()


def test_figures_are_files_of_sound_svg(tmp_path: Path) -> None:
    written = figure_files.save_figures(figures_of(report()), tmp_path / "figures")
    names = [path.name for path in written if path.suffix == ".svg"]
    assert names == [
        "by_lr.svg", "by_width.svg", "parallel_coordinates.svg", "curve_val_loss.svg",
        "timeline.svg", "hours.svg",
    ]  # fmt: skip
    for path in written:
        if path.suffix == ".svg":
            ElementTree.parse(path)


@pytest.mark.skipif(not figure_files.can_draw_png(), reason="no resvg_py")
def test_figures_are_pictures_where_resvg_is(tmp_path: Path) -> None:
    written = figure_files.save_figures(figures_of(report())[:1], tmp_path)
    png = written[1].read_bytes()
    assert png.startswith(b"\x89PNG")
    width = int.from_bytes(png[16:20], "big")
    assert width == figure_files.SCALE * by_parameter.WIDTH
    assert len(set(png)) > 50
