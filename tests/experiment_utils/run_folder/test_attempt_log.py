"""The part of a log that the last start wrote, whatever the one before left open."""

import os
from pathlib import Path

import pytest

from tmgg.experiment_utils.run_folder.attempt_log import (
    last_attempt,
    line_end_before,
    render_mark,
)

PROGRESS = "\rEpoch 1:  45%|####   | 45/100 [00:10<00:12,  4.5it/s]"


def mark(submission: int, restart: int = 0) -> str:
    return render_mark(submission, restart=restart, job_id="12", host="n1")


@pytest.mark.parametrize("open_line", ["", PROGRESS])
def test_a_mark_behind_an_open_line_begins_the_next_attempt(open_line: str) -> None:
    log = f"{mark(1)}\nMemoryError\n{open_line}{mark(2)}\nnew\n"
    assert last_attempt(log, submission=2) == "\nnew\n"
    assert last_attempt(log, submission=1) == ""


def test_a_restart_behind_an_open_line_begins_anew() -> None:
    log = f"{mark(1)}\nMemoryError\n{PROGRESS}{mark(1, restart=1)}\nnew\n"
    assert last_attempt(log, submission=1) == "\nnew\n"


@pytest.mark.parametrize(("left", "found"), [("", ""), ("line\n", ""), (PROGRESS, "\n")])
def test_a_line_that_was_left_open_is_ended_first(tmp_path: Path, left: str, found: str) -> None:
    log = tmp_path / "log"
    log.write_text(left)
    with log.open("ab") as stream:
        assert line_end_before(stream.fileno()) == found


def test_what_is_no_file_has_no_open_line() -> None:
    reading, writing = os.pipe()
    try:
        assert line_end_before(writing) == ""
    finally:
        os.close(reading)
        os.close(writing)
