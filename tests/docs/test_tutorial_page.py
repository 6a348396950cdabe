"""docs/tutorial.md: each command prints what the page shows; on a cluster: tests/slurm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import WriteFile, parse_examples
from tests.docs.transcript import Shown, is_all_of, parse_transcript

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
LIMIT_S = 120


def test_the_commands_of_this_machine_print_what_the_page_shows(tmp_path: Path) -> None:
    for step in parse_examples(PAGE):
        if isinstance(step, WriteFile):
            path = tmp_path / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text)
    told = parse_transcript(PAGE)
    assert len(told) == 8
    for shown in told[:6]:
        printed = run(shown, tmp_path)
        assert is_all_of(shown, printed), f"{shown.argv}\n{printed}"


def test_the_readmes_screen_is_that_of_the_tutorial() -> None:
    """Which the test above runs; of the traceback between its lines it shows none."""
    readme = PAGE.parents[1] / "README.md"
    screen = readme.read_text().partition("```console\n")[2].partition("```")[0].splitlines()
    tutorial = PAGE.read_text().splitlines()
    assert len(screen) > 10
    assert [line for line in screen if line not in tutorial] == []


def run(shown: Shown, folder: Path) -> str:
    """Both streams, as on a terminal: failures, then the table."""
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [str(programs / shown.argv[0]), *shown.argv[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        timeout=LIMIT_S,
        check=False,
        env=os.environ | {"TMGG_HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"},
    )
    return done.stdout


@pytest.mark.parametrize(
    ("lines", "printed", "is_all"),
    [
        (("one", "two"), "one\n\ntwo\n", True),
        (("one",), "one\ntwo\n", False),
        (("two",), "one\ntwo\n", False),
        (("one", "..."), "one\ntwo\nthree\n", True),
        (("...", "three"), "one\ntwo\nthree\n", True),
        (("one", "  ...", "three"), "one\ntwo\nthree\n", True),
        (("...", "two", "..."), "one\nthree\n", False),
        (("one  1:23",), "one 4:56\n", True),
    ],
)
def test_what_is_left_out_is_marked(lines: tuple[str, ...], printed: str, *, is_all: bool) -> None:
    assert is_all_of(Shown((), lines), printed) is is_all
