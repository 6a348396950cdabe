"""`tmgg-jobs report`: runs on record as one page."""

import json
from pathlib import Path

import pytest

from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs
from tests.report.test_page import Page
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.report.figure_files import can_draw_png


def test_the_page_has_each_run_and_why_it_failed(here: Path, tmgg_jobs: Jobs) -> None:
    ended = tmgg_jobs("report", GOOD, BAD, DIVERGING, "-o", "page.html", "--sort", "loss")

    assert ended.out == "written: page.html\n"
    page = Page((here / "page.html").read_text())
    assert page.count("tr") == 1 + 3
    words = " ".join(page.texts)
    assert "1 run: user_error" in words
    assert "ValueError: boom" in words
    assert "When each run waited and ran" in words


def test_without_a_name_the_file_is_called_like_the_runs(here: Path, tmgg_jobs: Jobs) -> None:
    tmgg_jobs("report", GOOD)
    assert (here / "report-good-1.html").is_file()


def test_figures_are_files_where_that_is_asked_for(here: Path, tmgg_jobs: Jobs) -> None:
    ended = tmgg_jobs("report", GOOD, BAD, "--figures", "figures", "--json")
    written = ended.json["files"]
    assert str(here / "figures" / "timeline.svg") in written
    assert any(name.endswith(".png") for name in written) == can_draw_png()
    assert all(Path(name).is_file() for name in written)


def test_curves_and_use_are_those_that_the_run_left(here: Path, tmgg_jobs: Jobs) -> None:
    paths = RunPaths(here / "local_outputs", GOOD)
    (paths.artifacts / "metrics.csv").write_text("step,loss\n1,0.5\n2,0.25\n")
    use = {
        "version": 1, "host": "node1", "restart": 0, "began_at": 1.0, "seconds": 90.0, "samples": 9,
        "cpu_seconds": 45.0, "cpu_cores_peak": 1.0, "memory_mean_bytes": 1 << 30,
        "memory_peak_bytes": 3 << 30, "cpus_allotted": 2,
        "token": json.loads(paths.submission(1).intent.read_text())["token"],
    }  # fmt: skip
    write_json(paths.submission(1).usage, use)
    tmgg_jobs("report", GOOD, BAD, "-o", "page.html")

    words = Page((here / "page.html").read_text()).texts
    assert "Learning curves" in words
    assert "3.0 GB" in words


def test_what_one_node_of_four_used_is_not_taken_for_all(here: Path, tmgg_jobs: Jobs) -> None:
    paths = RunPaths(here / "local_outputs", GOOD)
    record = json.loads(paths.run.read_text())
    record["settings"] |= {"nodes": 4, "mem_per_cpu": "4GB"}
    write_json(paths.run, record)
    use = {
        "version": 1, "host": "node1", "restart": 0, "began_at": 1.0, "seconds": 90.0, "samples": 9,
        "cpu_seconds": 45.0, "cpu_cores_peak": 1.0, "memory_mean_bytes": 1 << 30,
        "memory_peak_bytes": 3 << 30, "memory_allotted_bytes": 32 << 30, "cpus_allotted": 8,
        "token": json.loads(paths.submission(1).intent.read_text())["token"],
    }  # fmt: skip
    write_json(paths.submission(1).usage, use)
    words = "used 3.0 GB at most on the driver's node"

    tmgg_jobs("report", GOOD, "-o", "page.html")
    page = " ".join(Page((here / "page.html").read_text()).texts)
    for text in (page, tmgg_jobs("show", GOOD).out, tmgg_jobs("explain", GOOD).out):
        assert words in text
        assert "would do" not in text


@pytest.mark.parametrize("text", ["nothing-like-this"])
def test_what_means_no_run_is_refused(here: Path, tmgg_jobs: Jobs, text: str) -> None:
    ended = tmgg_jobs("report", text)
    assert ended.code == 3
    assert not list(here.glob("report-*.html"))
