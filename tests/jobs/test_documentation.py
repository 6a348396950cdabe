"""docs/jobs.md says what is so: keys, commands, exit codes."""

import re
from pathlib import Path

import pytest

from tests.jobs.test_list import RUN_KEYS
from tests.jobs.test_show import SHOW_KEYS
from tmgg.cli.jobs import _COMMANDS
from tmgg.console import exit_codes

TEXT = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()


def test_every_exit_code_is_documented_in_its_own_words() -> None:
    for code, words in exit_codes.MEANINGS.items():
        assert f"| {code} | {words} |" in TEXT


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"| `tmgg-jobs {command}" in TEXT


def test_every_key_of_a_run_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", TEXT))
    assert documented >= RUN_KEYS | SHOW_KEYS
