"""Each figure, by itself."""

import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.sample import report, run
from tmgg.report import figure_files
from tmgg.report.figures import by_parameter, hours, learning, parallel, timeline
from tmgg.report.model import Curve
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


def test_a_curve_is_not_drawn_where_it_has_no_value() -> None:
    points = [(0.0, 1.0), (1.0, 2.0), (2.0, math.nan), (3.0, 1.0)]
    assert learning.stretches(points) == [[(0.0, 1.0), (1.0, 2.0)], [(3.0, 1.0), (3.0, 1.0)]]
    (figure,) = learning.draw(replace(report(), runs=[run(0, curves=[Curve("loss", points)])]))
    assert figure.body.count("<polyline") == 2


def test_the_largest_values_have_places() -> None:
    wide = [(0.0, 1e308), (1.0, -1e308), (2.0, math.inf)]
    runs = [
        run(n, metrics={"val_loss": value}, curves=[Curve("loss", wide)])
        for n, value in enumerate((1e308, -1e308, 1e200))
    ]
    for figure in figures_of(replace(report(), runs=runs)):
        assert "nan" not in figure.body.lower()
        assert "inf" not in figure.body.lower()


def test_labels_of_the_timeline_tell_runs_apart() -> None:
    long = "x" * 40
    titles = [f"optimizer.{long}.name=adam seed={n} scheduler.{long}=1" for n in range(4)]
    runs = [run(n, title=title) for n, title in enumerate(titles)]
    (figure,) = timeline.draw(replace(report(), runs=runs))
    labels = re.findall(r'text-anchor="end">([^<]*)<', figure.body)
    assert len({*labels}) == 4


def test_a_hyperparameter_of_long_words_has_labels_that_differ() -> None:
    words = [f'"a long word number {n} for it"' for n in range(6)]
    runs = [run(n, overrides={"kind": word}, title="") for n, word in enumerate(words)]
    shown = replace(report(), runs=runs)
    for (figure,) in (by_parameter.draw(shown), parallel.draw(shown)):
        assert all(f">…{n}…<" in figure.body for n in range(6))
