"""The line that tells how runs are getting on."""

import io
import re

import pytest
from rich.console import Console

from tests.fakes.clock import FakeClock
from tmgg.console.durations import render_duration
from tmgg.console.live import LiveView, render_progress
from tmgg.console.progress import SweepProgress, render_speed
from tmgg.console.ranking import Ranking
from tmgg.experiment_utils.cloud.runs import NOT_SUBMITTED, RunState
from tmgg.experiment_utils.run_folder.failures import failure


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
def test_a_single_run_is_reported_in_full(given: RunState, line: str) -> None:
    progress = SweepProgress(total=1)
    progress.observe([given])

    assert render_progress(progress, {}) == [line]


def test_many_runs_are_counted_with_the_reasons_they_wait_for_and_failed_for() -> None:
    progress = SweepProgress(total=9)
    progress.observe(
        [
            state("a", "pending", reason="Priority"),
            state("b", "pending", reason="Resources"),
            state("c", "pending", reason="Resources"),
            state("d"),
            state("e", "completed"),
            state("f", "failed", failure=failure("timeout", "")),
            state("g", "failed", failure=failure("timeout", "")),
        ]
    )

    assert render_progress(progress, {}) == [
        "9 runs: 2 to submit, 3 pending (Resources, Priority), 1 running, 1 completed, "
        "2 failed (2 timeout)"
    ]


def test_runs_that_are_held_back_are_told_apart_from_those_in_the_queue() -> None:
    progress = SweepProgress(total=5)
    held = [state(name, "pending", reason=NOT_SUBMITTED) for name in "bc"]
    progress.observe([state("a", "pending", reason="Priority"), *held, state("d")])
    assert render_progress(progress, {}) == ["5 runs: 3 to submit, 1 pending (Priority), 1 running"]


def test_runs_of_an_earlier_sweep_that_were_recognised_are_not_to_submit() -> None:
    progress = SweepProgress(total=4, recognised={"a", "b", "c"})
    progress.observe([state("a", "completed")])
    assert render_progress(progress, {})[0] == "4 runs: 2 recognised, 1 to submit, 1 completed"


def test_what_could_not_be_found_out_is_reported_once() -> None:
    progress = SweepProgress(total=2)
    progress.observe([state("a", note="no answer"), state("b", note="no answer")])

    assert render_progress(progress, {}) == ["2 runs: 2 running, no answer"]


def test_speed_and_likely_end_count_from_the_first_run_that_began() -> None:
    clock = FakeClock()
    progress = SweepProgress(total=6, monotonic=clock.monotonic)
    progress.observe([state("a", "pending"), state("b", "pending")])
    clock.sleep(1000)
    progress.observe([state("a"), state("b")])
    clock.sleep(60)
    progress.observe([state("a", "completed"), state("b", "completed"), state("c"), state("d")])

    assert render_progress(progress, {})[1:] == ["2 runs a minute, about 2:00 left"]


def test_nothing_is_left_when_all_have_ended() -> None:
    clock = FakeClock()
    progress = SweepProgress(total=1, monotonic=clock.monotonic)
    progress.observe([state("a")])
    clock.sleep(60)
    progress.observe([state("a", "completed")])

    assert render_speed(progress) == "1 runs a minute"


@pytest.mark.parametrize(
    ("ranking", "line"),
    [
        (Ranking(), "best val_loss 0.5: x=2 (run b)"),
        (Ranking("val_loss", "max"), "best val_loss 3: run a"),
        (Ranking("accuracy", "max"), "best accuracy 0.75: run d"),
        (Ranking("absent"), None),
    ],
)
def test_the_best_so_far_is_reported_with_what_makes_it_so(
    ranking: Ranking, line: str | None
) -> None:
    metrics = {
        "a": {"val_loss": 3.0, "accuracy": 0.5},
        "b": {"val_loss": 0.5},
        "c": {"val_loss": float("nan")},
        "d": {"val_loss": 1.0, "accuracy": 0.75},
    }
    progress = SweepProgress(total=5, ranking=ranking, read_metrics=metrics.__getitem__)
    for run_id in metrics:
        progress.observe([state(run_id, "completed"), state("e", "failed")])

    told = [text for text in render_progress(progress, {"b": "x=2"}) if text.startswith("best")]
    assert told == ([line] if line else [])


def test_a_runs_metrics_are_read_once() -> None:
    asked: list[str] = []

    def read(run_id: str) -> dict[str, float]:
        asked.append(run_id)
        return {}

    progress = SweepProgress(total=2, read_metrics=read)
    for _ in range(3):
        progress.observe([state("a", "completed"), state("b")])

    assert asked == ["a"]


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
    progress = SweepProgress(total=2)
    progress.observe([state("a", "completed"), state("b")])
    progress.observe([state("b", "completed")])

    assert render_progress(progress, {})[0] == "2 runs: 2 completed"
    assert set(progress.seen) == {"a", "b"}


def test_without_a_terminal_a_sweep_prints_a_line_now_and_then_and_the_last() -> None:
    out, clock = io.StringIO(), FakeClock()
    console = Console(file=out, force_terminal=False)
    progress = SweepProgress(total=100, monotonic=clock.monotonic)
    with LiveView(progress, console=console, monotonic=clock.monotonic) as view:
        view([state(f"r{number}") for number in range(100)])
        for number in range(100):
            clock.sleep(0.3)
            view([state(f"r{number}", "completed")])

    lines = out.getvalue().splitlines()
    assert lines[0] == "100 runs: 100 running"
    assert lines[-1] == "100 runs: 100 completed; 200 runs a minute"
    assert len(lines) == 4


def test_an_override_of_several_lines_is_in_one_line_of_a_log() -> None:
    out = io.StringIO()
    progress = SweepProgress(total=2, read_metrics=lambda _run_id: {"val_loss": 0.5})
    titles = {"a": "text='two\nlines'"}
    with LiveView(progress, titles=titles, console=Console(file=out, force_terminal=False)) as view:
        view([state("a", "completed"), state("b", "failed")])
    (line,) = [line for line in out.getvalue().splitlines() if "best" in line]
    assert line.endswith(r"best val_loss 0.5: text='two\nlines' (run a)")


def test_long_lines_and_brackets_are_printed_as_they_are() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=False, width=20)
    with LiveView(console=console) as view:
        view([state(status="pending", reason="[red]a reason longer than the line[/red]")])

    assert out.getvalue().strip() == ("run r: pending ([red]a reason longer than the line[/red])")


def test_on_a_terminal_one_line_changes_in_place_and_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
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


def test_on_a_terminal_a_sweep_has_a_line_for_each_thing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out, clock = io.StringIO(), FakeClock()
    console = Console(file=out, force_terminal=True, width=80)
    progress = SweepProgress(
        total=2, read_metrics=lambda _run_id: {"val_loss": 0.25}, monotonic=clock.monotonic
    )
    with LiveView(
        progress, titles={"a": "x=1"}, console=console, monotonic=clock.monotonic
    ) as view:
        view([state("a"), state("b")])
        clock.sleep(30)
        view([state("a", "completed")])
        assert view._live is not None
        view._live.refresh()

    shown = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", out.getvalue())
    assert "0:30  2 runs: 1 running, 1 completed" in shown
    assert "      2 runs a minute\n" in shown.replace("\r", "")
    assert "      best val_loss 0.25: x=1 (run a)" in shown
    assert " 1 of 2" in shown


def test_a_failure_is_reported_by_name_and_cause_as_soon_as_it_is_seen() -> None:
    out, clock = io.StringIO(), FakeClock()
    console = Console(file=out, force_terminal=False)
    progress = SweepProgress(total=9, monotonic=clock.monotonic)
    titles = {"a": "lr=[red]1", "b": "lr=2"}
    with LiveView(progress, titles=titles, console=console, monotonic=clock.monotonic) as view:
        view([state(each) for each in "abcdefghi"])
        view([state("a", "failed", failure=failure("user_error", "boom\nTraceback"))])
        view([state(each, "failed") for each in "bcdefgh"])

    lines = out.getvalue().splitlines()
    assert lines[1] == "failed: lr=[red]1 (run a): user_error: boom"
    assert lines[2] == "failed: lr=2 (run b): no reason is known"
    assert lines[7] == "2 more failed"
    assert len(lines) == 9


def test_a_dumb_terminal_has_the_lines_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200)
    with LiveView(SweepProgress(total=2), console=console) as view:
        view([state("a", "failed", failure=failure("timeout", "too long"))])
        assert "failed: run a" in screen.getvalue()
        view([state("b", "completed")])
    assert "1 completed, 1 failed" in screen.getvalue()
