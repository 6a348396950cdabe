"""The part of a log that the last start wrote, whatever the one before left open."""

import os
from pathlib import Path

import pytest

from tmgg.experiment_utils.run_folder.attempt_log import (
    last_attempt,
    line_end_before,
    read_job_log,
    render_mark,
)
from tmgg.experiment_utils.run_folder.paths import BatchPaths

PROGRESS = "\rEpoch 1:  45%|####   | 45/100 [00:10<00:12,  4.5it/s]"


def mark(submission: int, restart: int = 0) -> str:
    return render_mark(submission, restart=restart, job_id="12", host="n1")


@pytest.mark.parametrize("open_line", ["", PROGRESS])
def test_a_mark_behind_an_open_line_begins_the_next_attempt(open_line: str) -> None:
    log = f"{mark(1)}\nMemoryError\n{open_line}{mark(2)}\nnew\n"
    assert last_attempt(log, submission="2", restart=0) == "\nnew\n"
    assert last_attempt(log, submission="1", restart=0) == ""


def test_a_restart_behind_an_open_line_begins_anew() -> None:
    log = f"{mark(1)}\nMemoryError\n{PROGRESS}{mark(1, restart=1)}\nnew\n"
    assert last_attempt(log, submission="1", restart=1) == "\nnew\n"


def test_a_start_that_wrote_no_mark_has_no_part_of_the_log() -> None:
    log = f"{mark(1)}\nMemoryError\nslurmstepd: error: execve(): No such file\n"
    assert last_attempt(log, submission="1", restart=1) == ""


def test_the_part_of_a_start_that_the_backend_has_not_counted_is_the_last_one() -> None:
    log = f"{mark(1)}\nMemoryError\n{mark(1, restart=1)}\nnew\n"
    assert last_attempt(log, submission="1", restart=0) == "\nnew\n"


def test_the_job_of_a_packed_batch_marks_its_log_by_the_name_of_the_batch(tmp_path: Path) -> None:
    batch = BatchPaths(tmp_path, "sweep.3")
    batch.logs.mkdir(parents=True)
    begins = [f"tmgg: submission sweep.3, restart {number}, job 12 on n1\n" for number in (0, 1)]
    batch.job_stderr.write_text("old\n".join(begins) + "new\n")
    assert read_job_log(batch, restart=1) == ("", "\nnew\n")


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
