"""The page as a browser has it: its script runs, and nothing is asked of the network."""

import json
import re
from pathlib import Path

import pytest

from tests.report.browser import PICTURE, browse, program
from tests.report.sample import report
from tests.report.test_page import hostile
from tmgg.report.model import Report
from tmgg.report.page import render_page

LARGEST_PICTURE_BYTES = 200_000
MAKERS = re.compile(
    r"^(https?://([\w.-]+\.)?(google|gvt1|googleapis)\.com/|chrome:|chrome-extension:)"
)


@pytest.mark.long
@pytest.mark.skipif(program() is None, reason="no Chromium")
@pytest.mark.parametrize("shown", [report(), hostile()], ids=["ordinary", "hostile"])
def test_the_script_runs_no_other_does_and_nothing_is_requested(
    tmp_path: Path, shown: Report
) -> None:
    page, requests = tmp_path / "page.html", tmp_path / "requests.json"
    # Only a script writes this: what is in the file is another text.
    page.write_text(render_page(shown).replace("12 runs</span>", "not counted</span>"))
    dom = browse(page, "--dump-dom", f"--log-net-log={requests}", "--virtual-time-budget=3000")

    assert re.search(r'id="count"[^>]*>12 runs<', dom)
    assert dom.count("<script>") == 1
    asked = {
        event["params"]["url"]
        for event in json.loads(requests.read_text())["events"]
        if "url" in event.get("params", {})
    }
    # Chromium itself asks its maker's servers now and then, whatever page is open.
    others = {url for url in asked if not MAKERS.search(url)}
    assert others <= {page.as_uri()}


def test_the_picture_in_the_docs_is_small() -> None:
    assert PICTURE.stat().st_size < LARGEST_PICTURE_BYTES
