"""The lines that a wait shows on a terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.fakes.clock import FakeClock
from tmgg.console.live_screen import FAILURES_SHOWN, render_bar, render_screen
from tmgg.console.printing import STATUS_STYLES
from tmgg.console.progress import SweepProgress
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.run_folder.failures import Failure, failure


def sweep(total: int = 12, **numbers: int) -> SweepProgress:
    progress = SweepProgress(
        total=total,
        read_metrics=lambda _run_id: {"val_loss": 0.25},
        monotonic=FakeClock().monotonic,
    )
    for status, number in numbers.items():
        why = failure("user_error", "ValueError: [b]purple[/b] \x1b[31m")
        progress.observe(
            [
                RunState(
                    run_id=f"{status}-{index}",
                    status=status,  # type: ignore[arg-type]
                    final=status in ("completed", "failed"),
                    failure=why if status == "failed" else None,
                )
                for index in range(number)
            ]
        )
    return progress


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    progress = sweep(running=3, completed=5, failed=2, pending=1)
    titles = {f"failed-{index}": "learning_rate=0.1 " * 9 for index in range(2)}
    screen = render_screen(progress, titles, elapsed_s=42, width=width)
    assert max(map(len, screen.plain.splitlines())) <= width


def test_a_screen_names_failures_with_their_cause_and_keeps_foreign_text_harmless() -> None:
    progress = sweep(running=3, completed=5, failed=2)
    screen = render_screen(progress, {"failed-1": "lr=[red]"}, elapsed_s=42, width=100)
    lines = screen.plain.splitlines()
    assert lines[0] == "0:42  12 runs: 2 to submit, 3 running, 5 completed, 2 failed (2 user_error)"
    assert lines[3].strip() == r"failed: lr=[red]: user_error: ValueError: [b]purple[/b] \x1b[31m"
    assert lines[-1].strip() == "best val_loss 0.25: run completed-0"


def test_of_many_failures_the_last_are_named_and_the_others_counted() -> None:
    lines = render_screen(sweep(failed=9), {}, elapsed_s=0, width=80).plain.splitlines()
    assert lines[2].strip() == f"{9 - FAILURES_SHOWN} more failed before"
    assert [line.split(":")[1].strip() for line in lines[3:7]] == [
        f"run failed-{index}" for index in range(5, 9)
    ]


def test_the_bar_has_a_piece_for_each_status_and_its_width_is_kept() -> None:
    progress = sweep(total=1000, completed=1, failed=1, running=2)
    bar = render_bar(progress, width=40)
    assert len(bar.plain) == 40
    assert bar.plain == "█▒━" + "·" * 27 + " 2 of 1000"
    assert render_bar(progress, width=40, is_ascii=True).plain.startswith("#x>....")


def test_the_screen_in_the_docs_is_what_is_shown() -> None:
    clock = FakeClock()
    progress = SweepProgress(
        total=12, read_metrics=lambda _run_id: {"val_loss": 0.031}, monotonic=clock.monotonic
    )
    why = failure("user_error", "ValueError: no such optimiser")
    ids = [f"20261123-141503-9f2c01ab-{number}" for number in range(12)]

    def look(*statuses: str) -> None:
        states = zip(ids, statuses, strict=False)
        progress.observe([_state(run_id, status, why) for run_id, status in states])

    look(*["pending"] * 12)
    look(*["running"] * 7)
    clock.sleep(42)
    look("failed", "failed", "completed", "completed", "completed", "completed", "completed")
    look(*[*["failed"] * 2, *["completed"] * 5, *["running"] * 3, *["pending"] * 2])
    titles = {ids[0]: "lr=0.1 seed=1", ids[1]: "lr=0.1 seed=2", ids[2]: "lr=0.01 seed=1"}
    screen = render_screen(progress, titles, elapsed_s=42, width=88).plain
    page = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
    assert screen in page, screen


def _state(run_id: str, status: str, why: Failure) -> RunState:
    return RunState(
        run_id=run_id,
        status=status,  # type: ignore[arg-type]
        final=status in ("completed", "failed"),
        failure=why if status == "failed" else None,
        reason="Resources" if status == "pending" else "",
    )


def test_colours_are_those_of_the_terminals_own_palette() -> None:
    """So they can be read on light and on dark: no background, no colour by number."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system="truecolor")
    console.print(render_screen(sweep(completed=3, failed=1, running=1), {}, elapsed_s=1, width=80))
    assert "\x1b[32m" in out.getvalue()
    assert "\x1b[31m" in out.getvalue()
    assert not any(code in out.getvalue() for code in ("[38;", "[48;", "\x1b[4"))


def test_no_colour_is_faint_on_white() -> None:
    faint = {"yellow", "white"}
    styles = {word for style in STATUS_STYLES.values() for word in style.split()}
    assert not faint & styles
    assert not [word for word in styles if word.startswith("bright_")]
