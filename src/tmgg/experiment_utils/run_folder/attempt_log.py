"""The part of a run's logs that one start of its job wrote.

All submissions and restarts of a run append to the same two files. Each start writes a mark first
(see the job script), so that an old failure is not read as the reason of a new one. A start that
ends before it can write its mark (Slurm cannot start its script) has no part of its own.

The previous start may not have ended its last line (progress bars do not). Then a newline is
written before the mark. A mark is also found within a line, where an older TMGG wrote it.
"""

import os
import re
import stat
from pathlib import Path

from tmgg.experiment_utils.run_folder.evidence import expect_log_tail
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths

_MARK = re.compile(
    r"tmgg: submission (?P<submission>\S+), restart (?P<restart>\d{1,9}), job \S+ on .*$",
    re.MULTILINE,
)


def render_mark(submission: int, *, restart: int, job_id: str, host: str) -> str:
    """The line that a start of a job writes first, to stdout and stderr."""
    return f"tmgg: submission {submission}, restart {restart}, job {job_id} on {host}"


def line_end_before(descriptor: int) -> str:
    """What to write before a new line in an open log: a newline if its last line is not ended.

    Empty otherwise, and if `descriptor` is no plain file or cannot be read.
    """
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        with open(f"/proc/self/fd/{descriptor}", "rb") as log:  # noqa: PTH123 - a descriptor's own
            log.seek(-1, os.SEEK_END)
            return "" if log.read() == b"\n" else "\n"
    except OSError:  # an empty file has no last byte
        return ""


def read_attempt_log(paths: SubmissionPaths, *, restart: int) -> tuple[str, str]:
    """The ends of stdout and stderr of this start of a submission. Raises OSError."""
    run, name = paths.run_paths, str(paths.number)
    return _read(run.stdout, name, restart), _read(run.stderr, name, restart)


def read_job_log(batch: BatchPaths, *, restart: int) -> tuple[str, str]:
    """As `read_attempt_log`, of the job that runs a packed batch. Raises OSError."""
    name = batch.batch_id
    return _read(batch.job_stdout, name, restart), _read(batch.job_stderr, name, restart)


def _read(log: Path, submission: str, restart: int) -> str:
    return last_attempt(expect_log_tail(log), submission=submission, restart=restart)


def last_attempt(text: str, *, submission: str, restart: int) -> str:
    """The text after the last mark; empty if that mark is of another submission or earlier start.

    `submission` is the name of its folder: a run's submission has a number, a batch a name. Without
    any mark it is the whole text: the start wrote so much that its mark is not in `text`, or a
    site's own job script writes no marks.
    """
    marks = list(_MARK.finditer(text))
    if not marks:
        return text
    last = marks[-1]
    is_its = last["submission"] == submission and int(last["restart"]) >= restart
    return text[last.end() :] if is_its else ""
