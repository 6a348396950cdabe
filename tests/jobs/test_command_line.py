"""The program as a whole: help, exit codes, completion, start-up, pipes."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.jobs.conftest import GOOD, Jobs
from tmgg import __version__, errors
from tmgg.cli import selection
from tmgg.cli.jobs import _COMMANDS
from tmgg.console import exit_codes
from tmgg.console.durations import parse_duration_s, render_age
from tmgg.errors import TmggError


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_documents_itself_and_says_where_the_exit_codes_are(
    tmgg_jobs: Jobs, command: str
) -> None:
    shown = tmgg_jobs(command, "--help")
    assert shown.code == 0
    assert "Usage:" in shown.out
    assert "Exit codes: as in tmgg-jobs --help." in shown.out


def test_the_programs_help_has_the_exit_codes(tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs("--help").out
    for code in exit_codes.MEANINGS:
        assert re.search(rf"^ *{code}  ", shown, re.MULTILINE), code


def test_commands_share_few_lines_of_help_that_are_not_options(tmgg_jobs: Jobs) -> None:
    helps = [tmgg_jobs(command, "--help").out for command in _COMMANDS]
    lines = Counter(line for shown in helps for line in {*shown.splitlines()})
    often = [line for line, number in lines.items() if number > 3 and " --" not in line]
    assert len([line for line in often if line.strip("│╭╰─╮╯ ")]) < 8, often


def test_without_arguments_it_shows_its_help(tmgg_jobs: Jobs) -> None:
    shown = tmgg_jobs()
    assert shown.code == 2
    assert "Usage:" in shown.out + shown.err


def test_it_says_its_version(tmgg_jobs: Jobs) -> None:
    said = tmgg_jobs("--version")
    assert (said.code, said.out, said.err) == (0, f"tmgg {__version__}\n", "")


def test_an_unknown_command_is_misuse(tmgg_jobs: Jobs) -> None:
    assert tmgg_jobs("frobnicate").code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError, 2),
        (errors.TaskError, 2),
        (errors.MissingExtraError, 2),
        (errors.RunExistsError, 2),
        (errors.UnknownRunError, 3),
        (errors.RecordError, 3),
        (errors.QueryError, 4),
        (errors.BackendUnavailableError, 4),
        (errors.SubmissionError, 1),
        (errors.SubmissionUnknownError, 4),
    ],
)
def test_every_error_has_its_exit_code(error: type[TmggError], code: int) -> None:
    assert exit_codes.exit_code_of(error("x")) == code


def test_the_shell_completes_run_ids(here: Path) -> None:
    words = {"COMP_WORDS": "tmgg-jobs show g", "COMP_CWORD": "2"}
    code = "from tmgg.cli.jobs import make_app; make_app()(prog_name='tmgg-jobs')"
    done = _run(code, _TMGG_JOBS_COMPLETE="complete_bash", **words)
    assert done.stdout.split() == [GOOD]


def test_it_starts_without_the_heavy_libraries(here: Path) -> None:
    code = """
import sys
sys.argv = ["tmgg-jobs", "list"]
from tmgg.cli.jobs import main
try:
    main()
finally:
    heavy = {"torch", "ray", "hydra", "omegaconf", "numpy", "rich.table", "lightning", "modal"}
    print(*sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = _run(code)
    assert done.returncode == 0
    assert done.stderr.strip() == ""


def test_a_reader_that_has_enough_is_no_error(here: Path) -> None:
    script = f"'{sys.executable}' -m tmgg.cli.jobs list --json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["list", "wait good", "logs good --follow", "cancel good"])
def test_ctrl_c_before_a_command_knows_its_runs_is_answered_too(
    here: Path, tmgg_jobs: Jobs, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(selection, "known_folders", interrupted)
    ended = tmgg_jobs(*command.split())
    assert ended.code == 130
    assert ended.err == "\ninterrupted; that alone ends no run\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5m", 90), ("2h", 7200), ("30d", 2592000), ("1w", 604800), ("0s", 0)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (59.4, "59 s"), (61, "1 min"), (7300, "2 h"), (3 * 86400, "3 d")],
)
def test_ages_are_one_number(seconds: float, words: str) -> None:
    assert render_age(seconds) == words


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env=os.environ | environment,
    )


def test_a_closed_standard_output_is_no_traceback(here: Path) -> None:
    command = f"{sys.executable} -m tmgg.cli.jobs show {GOOD} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
