"""The page as a browser has it: its script runs, and nothing is asked of the network."""

import re
from pathlib import Path

import pytest

from tests.report.browser import PICTURE, open_page, program
from tests.report.sample import report
from tests.report.test_page import hostile
from tmgg.report.model import Report
from tmgg.report.page import render_page

LARGEST_PICTURE_BYTES = 200_000


@pytest.mark.long
@pytest.mark.skipif(program() is None, reason="no Chromium")
@pytest.mark.parametrize("shown", [report(), hostile()], ids=["ordinary", "hostile"])
def test_the_script_runs_no_other_does_and_nothing_is_requested(
    tmp_path: Path, shown: Report
) -> None:
    page = tmp_path / "page.html"
    # Only a script writes this: what is in the file is another text.
    page.write_text(render_page(shown).replace("12 runs</span>", "not counted</span>"))
    dom, asked = open_page(page, tmp_path / "requests.json")

    assert re.search(r'id="count"[^>]*>12 runs<', dom)
    assert dom.count("<script>") == 1
    assert asked <= {page.as_uri()}


def test_the_picture_in_the_docs_is_small() -> None:
    assert PICTURE.stat().st_size < LARGEST_PICTURE_BYTES
