"""The page is one file, asks nothing of the network, and shows foreign text without obeying it."""

import base64
import hashlib
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.report.sample import HOSTILE, failed_run, report, run
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.report.held import Allocation, Unit
from tmgg.report.model import Curve, Report, ReportCause, Span
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
        replace(
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
    return replace(ordinary, title=HOSTILE, runs=runs, causes=[cause], notes=[HOSTILE])


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
    few = replace(report(), runs=report().runs[:count], causes=[])
    text = render_page(few)
    assert "All hyperparameters at once" not in text
    assert "Failures" not in text
    assert f"{count} runs" in text or count == 1


def words_of(shown: Report) -> str:
    return " ".join(Page(render_page(shown)).texts)


def test_runs_that_were_not_measured_are_reported() -> None:
    known = report()
    words = words_of(replace(known, runs=[*known.runs[1:], run(0, unit=Unit())]))
    assert "Not all is in it: 1 of 12 runs were not measured." in words
    none = words_of(replace(known, runs=[run(n, unit=Unit()) for n in range(3)]))
    assert "Where CPU-hours went" in none
    assert "Not known: 3 of 3 runs were not measured." in none


def test_what_a_packed_job_held_without_a_run_is_reported() -> None:
    runs = [run(n, unit=Unit(cpus=1.0), allocation="s.1") for n in range(2)]
    job = Allocation(unit=Unit(cpus=4.0), seconds=4000.0)
    whole = replace(report(), runs=runs, allocations={"s.1": job})
    assert "in packed jobs, without a run" in words_of(whole)
    unknown = replace(whole, allocations={"s.1": replace(job, seconds=None)})
    assert "CPUs of packed jobs that no run had are not in it." in words_of(unknown)


def test_a_sweep_that_goes_on_has_no_last_end_and_nearly_all_is_not_all() -> None:
    going = [run(0, status="running"), *(failed_run(n, "boom") for n in range(1, 9))]
    shown = replace(report(), runs=going)
    assert "from the first submission until now" in words_of(shown)
    spans = [Span("run", 0.0, 4.0), Span("failed", 4.0, 1000.0)]
    nearly = replace(report(), runs=[run(0, used=None, spans=spans)])
    assert "GPU-hours, 99.6 % of them wasted" in words_of(nearly)
