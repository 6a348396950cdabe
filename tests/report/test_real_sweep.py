"""The page of a sweep that ran: 20 runs of a Lightning project with curves, two of which failed."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from tests.report.browser import open_page, program

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
PROJECT = Path(__file__).parents[1] / "docs" / "line_project"
SWEEP = ("optimizer.lr=0.01,0.03,0.1,0.2,0.6", "model.width=4,64", "seed=1,2")
FAILED = ("lr=0.6 width=64 seed=1", "lr=0.6 width=64 seed=2")


def run_sweep(folder: Path) -> None:
    """Two at once, on this machine."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    launcher = ("hydra/launcher=tmgg_local", "hydra.launcher.parallelism=2")
    done = _run(folder, sys.executable, "train.py", "-m", *SWEEP, *launcher)
    assert done.returncode == 1, done.stderr
    assert "2 of 20 runs failed" in done.stderr


def make_page(folder: Path) -> Path:
    """The report of the sweep that ran there."""
    page = folder / "page.html"
    done = _run(folder, sys.executable, "-m", "tmgg.cli.jobs", "report", "last", "-o", str(page))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return page


def _run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TMGG_HOME": str(folder / "home")}
    return subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=800, check=False
    )


def test_the_page_names_the_failures_shows_the_curves_and_asks_for_nothing(tmp_path: Path) -> None:
    run_sweep(tmp_path)
    page = make_page(tmp_path)
    text = unescape(page.read_text())
    failures = text.partition("<h2>Failures")[2].partition("</section>")[0]
    assert "lr is too large" in failures
    assert [title in failures for title in FAILED] == [True, True]
    curves = text.partition("<h2>Learning curves")[2].partition("</section>")[0]
    assert curves.count("<polyline") >= 18
    assert "https://" not in text
    if program() is not None:
        dom, asked = open_page(page, tmp_path / "requests.json")
        assert re.search(r'id="count"[^>]*>20 runs<', dom)
        assert asked <= {page.as_uri()}
