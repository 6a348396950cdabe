"""Each figure, by itself."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.report.sample import report
from tmgg.report import figure_files
from tmgg.report.figures import by_parameter, hours, learning, timeline
from tmgg.report.page import figures_of
from tmgg.report.style import DARK, LIGHT, figure_style


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
