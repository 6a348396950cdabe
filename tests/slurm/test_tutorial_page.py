"""docs/tutorial.md on a real cluster, every command as printed."""

from pathlib import Path

import pytest

from tests.docs.examples import WriteFile, parse_examples
from tests.docs.transcript import is_all_of, parse_transcript
from tests.slurm.login import PYTHON, Login

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_every_command_prints_what_the_page_shows(alice: Login) -> None:
    for step in parse_examples(PAGE):
        if isinstance(step, WriteFile):
            alice.write(step.name, step.text)
    for shown in parse_transcript(PAGE):
        program = str(PYTHON.parent / shown.argv[0])
        # Both streams in one, as on a terminal.
        argv = ["bash", "-c", 'exec "$@" 2>&1', "-", program, *shown.argv[1:]]
        unbuffered = {"PYTHONUNBUFFERED": "1"}
        done = alice.run(*argv, check=False, timeout_s=240, env=unbuffered)
        assert is_all_of(shown, done.stdout), f"{shown.argv}\n{done.stdout}"
