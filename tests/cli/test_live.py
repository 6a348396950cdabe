"""The line that tells how runs are getting on."""

import io
import re

import pytest
from rich.console import Console

from tmgg.cli.live import LiveView, render_duration, render_progress
from tmgg.experiment_utils.cloud.runs import RunState


def state(run_id: str = "r", status: str = "running", **more: object) -> RunState:
    final = status in ("completed", "failed")
    return RunState(run_id=run_id, status=status, final=final, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (state(status="pending"), "run r: pending"),
        (
            state(status="pending", reason="Resources", job_id="7", estimated_start="12:00"),
            "run r: pending (Resources; starts 12:00; job 7)",
        ),
        (state(job_id="7", nodes="node[1-3]"), "run r: running (job 7; on node[1-3])"),
        (state(attempt=2), "run r: running (attempt 2)"),
        (state(note="squeue did not answer"), "run r: running (squeue did not answer)"),
        (state(status="failed", reason="OOM"), "run r: failed"),
    ],
)
def test_a_single_run_is_told_in_full(given: RunState, line: str) -> None:
    assert render_progress([given], total=1) == line


def test_many_runs_are_counted_with_the_reasons_they_wait_for() -> None:
    states = [
        state("a", "pending", reason="Priority"),
        state("b", "pending", reason="Resources"),
        state("c", "pending", reason="Resources"),
        state("d"),
        state("e", "completed"),
        state("f", "failed"),
    ]

    assert render_progress(states, total=8) == (
        "8 runs: 2 to submit, 3 pending (Resources, Priority), 1 running, 1 completed, 1 failed"
    )


def test_what_could_not_be_found_out_is_told_once() -> None:
    states = [state("a", note="no answer"), state("b", note="no answer")]

    assert render_progress(states, total=2) == "2 runs: 2 running, no answer"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3723, "1:02:03")]
)
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert render_duration(seconds) == text


def test_without_a_terminal_a_line_is_printed_when_something_changed() -> None:
    out = io.StringIO()
    with LiveView(console=Console(file=out, force_terminal=False)) as view:
        for given in (state(status="pending"), state(status="pending"), state()):
            view([given])

    assert out.getvalue() == "run r: pending\nrun r: running\n"


def test_runs_left_out_of_a_later_call_still_count() -> None:
    out = io.StringIO()
    with LiveView(2, console=Console(file=out, force_terminal=False)) as view:
        view([state("a", "completed"), state("b")])
        view([state("b", "completed")])

    assert out.getvalue().splitlines()[-1] == "2 runs: 2 completed"
    assert set(view.seen) == {"a", "b"}


def test_long_lines_and_brackets_are_printed_as_they_are() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=False, width=20)
    with LiveView(console=console) as view:
        view([state(status="pending", reason="[red]a reason longer than the line[/red]")])

    assert out.getvalue().strip() == ("run r: pending ([red]a reason longer than the line[/red])")


def test_on_a_terminal_one_line_changes_in_place_and_is_gone_at_the_end() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    with LiveView(console=console) as view:
        view([state(status="pending", reason="[b]")])
        assert view._live is not None
        view._live.refresh()
        view([state()])
        view._live.refresh()

    shown = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", out.getvalue())
    assert "0:00  run r: pending ([b])" in shown
    assert "0:00  run r: running" in shown
    assert out.getvalue().endswith("\x1b[2K")
