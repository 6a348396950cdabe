"""The examples of docs/backends.md run as they stand there."""

import subprocess
import sys
from pathlib import Path

from tests.docs.examples import Command, WriteFile, parse_examples

PAGE = Path(__file__).parents[2] / "docs" / "backends.md"


def test_the_suite_is_subclassed_as_the_page_says(tmp_path: Path) -> None:
    (file,) = [
        step
        for step in parse_examples(PAGE)
        if isinstance(step, WriteFile) and step.name == "test_mine.py"
    ]
    assert Command(("pytest", "test_mine.py")) in parse_examples(PAGE)
    (tmp_path / file.name).write_text(file.text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", file.name, "-q", "-k", "nobody or thrown_away"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "5 passed" in done.stdout, done.stdout
