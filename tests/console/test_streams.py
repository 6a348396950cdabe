"""Streams that cannot be written: words are lost and end nothing, a lost answer is an error."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

import pytest

from tmgg.console.live import LiveView
from tmgg.console.printing import put, say
from tmgg.console.progress import SweepProgress
from tmgg.errors import AnswerLostError
from tmgg.experiment_utils.cloud.runs import RunState

LIMIT_S = 60
Broken = Callable[[], AbstractContextManager[TextIO]]
PROGRAM = """
import sys
from tmgg.console.printing import say
from tmgg.console.report import print_metrics
from tmgg.console.streams import all_may_be_lost, words_may_be_lost
from tmgg.console.live import LiveView
from tmgg.console.progress import SweepProgress
from tmgg.experiment_utils.cloud.runs import RunState

view = LiveView(SweepProgress(total=2))
with all_may_be_lost():
    with view:
        for status in ("pending", "running"):
            view([RunState(run_id=name, status=status, final=False) for name in "ab"])
    say("words")
    print_metrics({"loss": 0.5}, {})
with words_may_be_lost():
    sys.stdout.write("the end\\n")
    sys.stdout.flush()
"""


def call(program: str, redirected: str) -> "subprocess.CompletedProcess[str]":
    """Python with this program, redirected as a shell does it; 9 is a pipe without a reader."""
    with pipe_without_reader() as closed:
        command = f'exec "{sys.executable}" -c "$PROGRAM" {redirected}'
        return subprocess.run(
            ["bash", "-c", command.replace("&9", f"&{closed.fileno()}")],
            env={**os.environ, "PROGRAM": program},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            pass_fds=[closed.fileno()],
        )


@contextlib.contextmanager
def pipe_without_reader() -> Iterator[TextIO]:
    reader, writer = os.pipe()
    os.close(reader)
    with closing_somehow(os.fdopen(writer, "w", buffering=1)) as stream:
        yield stream


@contextlib.contextmanager
def full_disk() -> Iterator[TextIO]:
    # Buffered by lines, as the standard streams are.
    with closing_somehow(Path("/dev/full").open("w", buffering=1)) as stream:
        yield stream


@contextlib.contextmanager
def closing_somehow(stream: TextIO) -> Iterator[TextIO]:
    """What is left in its buffer cannot be written at its end, either."""
    yield stream
    with contextlib.suppress(OSError):
        stream.close()


@pytest.mark.parametrize("broken", ["2>/dev/full", "2>&-", "2>&9"])
def test_words_that_cannot_be_written_end_nothing(broken: str) -> None:
    ended = call(PROGRAM, broken)
    assert ended.returncode == 0
    assert ended.stdout.endswith("the end\n")
    assert "loss" in ended.stdout


def test_a_launch_goes_on_where_its_table_cannot_be_written() -> None:
    program = PROGRAM.partition("with words_may_be_lost")[0]
    ended = call(program, ">/dev/full")
    assert (ended.returncode, "words" in ended.stderr) == (0, True)


@pytest.mark.parametrize("broken", [full_disk, pipe_without_reader])
def test_the_live_view_is_silent_once_it_cannot_be_written(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken() as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        view = LiveView(SweepProgress(total=2))
        with view:
            view([RunState(run_id="a", status="pending", final=False)])
            view([RunState(run_id="a", status="running", final=False)])
        say("words")
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("broken", "is_reader_gone"), [(full_disk, False), (pipe_without_reader, True)]
)
def test_an_answer_that_is_lost_is_an_error_which_says_whether_anybody_read(
    broken: Broken, is_reader_gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(AnswerLostError, match="standard output cannot be written") as error:
            put("the answer")
        monkeypatch.undo()
    assert error.value.is_reader_gone is is_reader_gone


@pytest.mark.parametrize(
    ("arguments", "redirected", "code"),
    [
        ("jobs list", "2>&-", 0),
        ("jobs show nothing", "2>&-", 3),
        ("jobs show nothing", "2>/dev/full", 3),
        ("jobs list --json", ">&-", 0),
        ("jobs list --json", ">/dev/full", 2),
        ("jobs list --json", ">&9", 1),
        ("experiment --version", ">&-", 0),
        ("experiment --version", ">/dev/full", 2),
        ("experiment --version", ">&9", 1),
        ("experiment nothing=1", "2>&-", 2),
        ("experiment nothing=1", "2>/dev/full", 2),
    ],
)
def test_a_command_ends_with_its_own_code_and_without_a_traceback(
    arguments: str, redirected: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    command, *rest = arguments.split()
    program = f"import sys; sys.argv[1:] = {rest}; from tmgg.cli import start; start.{command}()"
    ended = call(program, redirected)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
