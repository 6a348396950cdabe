"""The page is one file, asks nothing of the network, and shows foreign text without obeying it."""

import base64
import dataclasses
import hashlib
import re
import time
from html.parser import HTMLParser

import pytest

from tests.report.sample import HOSTILE, report
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.report.model import Curve, Report, ReportCause
from tmgg.report.page import figures_of, render_page

# Elements and attributes by which a page asks for something.
FETCHING = {"img", "link", "iframe", "object", "embed", "audio", "video", "source", "base", "form"}


class Page(HTMLParser):
    """What a browser makes of it: elements, and the attributes of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _attributes in self.elements)


def hostile() -> Report:
    """Every text that comes from elsewhere is an attack."""
    ordinary = report(message=f"{HOSTILE}\n{HOSTILE}")
    runs = [
        dataclasses.replace(
            run,
            run_id=f"run-{number}-{HOSTILE}",
            title=f"lr={HOSTILE} seed={number}",
            overrides={f"lr{HOSTILE}": f"{number % 3}{HOSTILE}", "seed": str(number)},
            metrics={**run.metrics, HOSTILE: 1.0},
            curves=[Curve(HOSTILE, [(0.0, 1.0), (1.0, 2.0)])],
            advice=[HOSTILE],
            status=run.status,
        )
        for number, run in enumerate(ordinary.runs)
    ]
    cause = ReportCause(Failure(kind="user_error", message=HOSTILE, hint=HOSTILE), [HOSTILE])
    return dataclasses.replace(ordinary, title=HOSTILE, runs=runs, causes=[cause], notes=[HOSTILE])


def test_the_page_has_all_its_parts() -> None:
    text = render_page(report())
    page = Page(text)

    for heading in (
        "Failures", "Objective by hyperparameter", "All hyperparameters at once",
        "Learning curves", "Runs", "When each run waited and ran",
    ):  # fmt: skip
        assert heading in page.texts
    assert page.count("tr") == 1 + 12
    assert (
        "12 runs: 10 completed, 2 failed. Objective: val_loss (less is better). "
        "Tried lr: 0.001, 0.1; width: 64, 256; seed: 0, 1, 2." in page.texts
    )
    assert "2 runs: user_error" in page.texts


def test_nothing_on_the_page_asks_the_network() -> None:
    for text in (render_page(report()), render_page(hostile())):
        page = Page(text)
        assert not FETCHING & {tag for tag, _attributes in page.elements}
        names = {name for _tag, attributes in page.elements for name in attributes}
        assert not {"src", "href", "srcset", "action", "data", "poster", "style"} & names
        css = re.search(r"<style>(.*?)</style>", text, re.S)
        assert css is not None
        assert "url(" not in css[1]
        assert "@import" not in css[1]


def test_only_the_pages_own_script_and_style_may_act() -> None:
    text = render_page(hostile())
    policy = next(
        value["content"]
        for tag, value in Page(text).elements
        if tag == "meta" and "http-equiv" in value
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for kind in ("script", "style"):
        (inside,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_foreign_text_is_shown_and_not_obeyed() -> None:
    text = render_page(hostile())
    page = Page(text)

    assert page.count("script") == 1
    assert page.count("style") == 1
    assert not any(name.startswith("on") for _tag, each in page.elements for name in each)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert any("<script>alert(1)</script>" in shown for shown in page.texts)
    for figure in figures_of(hostile()):
        assert "<script" not in figure.body
        assert "<img" not in figure.body


def test_a_page_of_a_thousand_runs_is_made_within_a_second() -> None:
    large = report(1000)
    began_s = time.thread_time()
    text = render_page(large)
    assert time.thread_time() - began_s < 1.0
    assert Page(text).count("tr") == 1001
    assert len(text) < 6_000_000


@pytest.mark.parametrize("count", [0, 1])
def test_a_page_of_no_or_one_run_has_no_empty_parts(count: int) -> None:
    few = dataclasses.replace(report(), runs=report().runs[:count], causes=[])
    text = render_page(few)
    assert "All hyperparameters at once" not in text
    assert "Failures" not in text
    assert f"{count} runs" in text or count == 1
