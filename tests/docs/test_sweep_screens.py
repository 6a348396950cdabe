"""docs/sweeps.md: what two sweeps leave on a screen of 80 columns; `python -m` prints them anew."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.docs.terminal import COLUMNS, run_in_terminal, screen
from tests.docs.transcript import Shown, normal, parse_transcript

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "sweeps.md"
PROJECT = HERE / "line_project"
_NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d{3,}(e-?\d+)?\b")
_EVIDENCE = re.compile(r"^ {4}")


def run_example(shown: Shown, folder: Path) -> tuple[int, list[str]]:
    """The exit code, and the screen below Hydra's list of jobs."""
    if shown.argv[0] == "python":
        shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    program = Path(sys.executable).parent / shown.argv[0]
    # Two runs at once: runs that import torch together take as long, and more memory.
    argv = [str(program), *shown.argv[1:], "hydra.launcher.parallelism=2"]
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    here = {"TMGG_HOME": str(folder / "home"), "TERM": "xterm-256color"}
    code, written = run_in_terminal(argv, folder=folder, environment=environment | here)
    _hydras, _, ours = written.rpartition("[HYDRA]")
    return code, screen(ours)[1:]


def without_evidence(lines: list[str]) -> list[str]:
    """Neither the traceback, whose paths are of this machine, nor its wrapped lines."""
    begin = next((at for at, line in enumerate(lines) if _EVIDENCE.match(line)), 0)
    end = next((at for at, line in enumerate(lines) if line.startswith("  HINT: ")), 0)
    return [*lines[:begin], *lines[end:]] if end else lines


def alike(line: str) -> str:
    """Without times, ids and measured numbers, which differ in their last places by machine."""
    line = re.sub(r"\b[0-9a-f]{8}(?=-\d+\b| --columns)", "SWEEP", normal(line))
    return _NUMBER.sub("NUMBER", line)


def shown_screens() -> list[Shown]:
    screens = [shown for shown in parse_transcript(PAGE) if "-m" in shown.argv]
    assert len(screens) == 2
    return screens


def check(shown: Shown, printed: list[str]) -> None:
    told = [line for line in printed if line]
    expected = [line for line in shown.lines if line != "    ..."]
    assert [*map(alike, told)] == [*map(alike, expected)], "\n".join(told)
    assert max(map(len, told)) <= COLUMNS


def test_a_sweep_of_the_built_in_experiment_looks_as_on_the_page(tmp_path: Path) -> None:
    built_in, _own = shown_screens()
    code, printed = run_example(built_in, tmp_path)
    assert code == 0
    check(built_in, printed)


def test_a_sweep_of_a_lightning_project_with_two_failures_looks_as_on_the_page(
    tmp_path: Path,
) -> None:
    _built_in, own = shown_screens()
    code, printed = run_example(own, tmp_path)
    assert code == 1
    check(own, without_evidence(printed))


def main() -> None:
    for shown in shown_screens():
        with tempfile.TemporaryDirectory() as folder:
            _code, printed = run_example(shown, Path(folder))
        sys.stdout.write("\n".join([f"$ {' '.join(shown.argv)}", *printed, ""]))


if __name__ == "__main__":
    main()
