"""Nothing that others wrote acts on the terminal of who reads it."""

import io
import json
import logging
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmgg.cli.following import LogReader
from tmgg.console import printing, report, tables
from tmgg.console.live import LiveView
from tmgg.console.ranking import Ranking
from tmgg.console.sweep_summary import SweepRow, save_summary
from tmgg.console.visible import VisibleMessages, visible, visible_line, visible_log
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState
from tmgg.experiment_utils.run_folder.failures import failure

RED, TITLE = "\x1b[31m", "\x1b]0;owned\x07"
HOSTILE = f"{RED}red{TITLE} \x9b2J \u202egnp.exe \r hidden \udcff"
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
RESULT = ExperimentResult(
    run_id="s-0",
    config={},
    status="failed",
    metrics={HOSTILE: 1.0},
    failure=failure("user_error", HOSTILE),
    error_message=HOSTILE,
)


@given(st.text(st.characters(exclude_categories=[]) | st.sampled_from("\x1b\x9b\r\u202e\udcff")))
def test_whatever_is_shown_acts_on_no_terminal(text: str) -> None:
    shown = visible(text)
    assert not ACTING.search(shown)
    assert visible(shown) == shown
    shown.encode()


def test_what_is_harmless_stays_as_it_is() -> None:
    text = "loss\t0.5\né ü 漢字 🙂 \\x1b[31m"
    assert visible(text) == text


def test_what_acts_is_written_out() -> None:
    assert visible(f"{TITLE}\x9b\udcff\u202e") == "\\x1b]0;owned\\x07\\x9b\\xff\\u202e"


def test_in_a_line_ends_of_lines_are_written_out_too() -> None:
    assert visible_line("a\nstatus  ok\r\n\tb\x1b") == "a\\nstatus  ok\\r\\n\\tb\\x1b"


def test_the_name_of_a_metric_and_an_override_stay_in_their_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = ExperimentResult(run_id="r", config={}, status="completed", metrics={"a\nb": 1.0})
    report.print_metrics({"a\nb": 1.0}, {})
    report.print_sweep([SweepRow(number=0, title="t=c\nd", result=done)], Ranking("a\\nb"))
    shown = capsys.readouterr().out
    assert shown.count("a\\nb") == 2
    assert shown.count("c\\nd") == 1


def test_a_log_keeps_its_colours_and_progress_bars() -> None:
    assert visible_log(f"{RED}50 %\r60 %\b\n") == f"{RED}50 %\r60 %\b\n"
    assert visible_log(f"{TITLE}\x1b[2J") == "\\x1b]0;owned\\x07\\x1b[2J"


def test_tables_reports_and_the_live_view_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    row = SweepRow(number=0, title=HOSTILE, result=RESULT)
    report.print_sweep([row], Ranking())
    report.print_metrics({HOSTILE: 1.0}, {"log": HOSTILE})
    tables.put_columns([tables.Column(name="details", cells=[HOSTILE])])
    printing.put(HOSTILE)
    printing.say(HOSTILE)
    with LiveView() as view:
        view([RunState(run_id="r", status="pending", final=False, reason=HOSTILE, nodes=HOSTILE)])
    captured = capsys.readouterr()
    for shown in (captured.out, captured.err):
        assert "\\x1b[31mred" in shown
        assert not ACTING.search(shown)


def test_warnings_show_it_but_a_formatter_may_colour_them() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(f"{RED}%(message)s"))
    handler.addFilter(VisibleMessages())
    log = logging.getLogger("tmgg.tests.visible")
    log.addHandler(handler)
    try:
        log.warning("job %s", HOSTILE)
    finally:
        log.removeHandler(handler)
    assert stream.getvalue().startswith(f"{RED}job \\x1b[31mred")


@pytest.mark.parametrize("terminal", [True, False])
def test_logs_are_raw_in_a_pipe_and_harmless_on_a_terminal(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = f"a{TITLE}é\n".encode() + b"\xff\n"
    (tmp_path / "r.out").write_bytes(content)
    sink = io.BytesIO()
    stdout = io.TextIOWrapper(sink, encoding="utf-8")
    monkeypatch.setattr(stdout, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", stdout)
    LogReader(tmp_path / "r.out").copy()
    shown = sink.getvalue()
    assert shown == ("a\\x1b]0;owned\\x07é\n\\xff\n".encode() if terminal else content)


def test_a_summary_is_written_whatever_bytes_an_override_or_an_error_has(tmp_path: Path) -> None:
    row = SweepRow(number=0, title="name=\udcff", result=RESULT)
    written = save_summary([row], Ranking(), tmp_path)
    assert {path.suffix for path in written} >= {".csv", ".json"}
    assert json.loads((tmp_path / "sweep_summary.json").read_text())["runs"][0]["number"] == 0


def test_one_file_of_a_summary_that_cannot_be_written_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sweep_summary.csv").mkdir()
    row = SweepRow(number=0, title="x=1", result=RESULT)
    written = save_summary([row], Ranking(), tmp_path)
    assert tmp_path / "sweep_summary.json" in written
    assert "sweep_summary.csv cannot be written" in caplog.text
