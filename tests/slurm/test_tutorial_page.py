"""docs/tutorial.md on a real cluster, every command as printed."""

from pathlib import Path

import pytest

from tests.docs.examples import WriteFile, parse_examples
from tests.docs.transcript import missing, parse_transcript
from tests.slurm.login import PYTHON, Login

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_every_command_prints_what_the_page_shows(alice: Login) -> None:
    for step in parse_examples(PAGE):
        if isinstance(step, WriteFile):
            alice.write(step.name, step.text)
    for shown in parse_transcript(PAGE):
        program = str(PYTHON.parent / shown.argv[0])
        done = alice.run(program, *shown.argv[1:], check=False, timeout_s=240)
        printed = done.stderr + done.stdout
        assert missing(shown, printed) == [], f"{shown.argv}\n{printed}"
