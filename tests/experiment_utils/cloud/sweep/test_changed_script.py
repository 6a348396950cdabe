"""A script that was edited after its run was submitted: the record says so, and so do its words."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import pathlib, sys, time
from tmgg import LocalRunner

def value(fails):
    if fails:
        raise ValueError("purple")
    return 1

def main():
    runner = LocalRunner()
    backend = runner.runs.backend
    start, backend.start = backend.start, lambda *given: (edit(), start(*given))[1]
    futures = [runner.submit(value, fails) for fails in (False, True)]
    for future in futures:
        future.exception(60)
    print(*(future.run_id for future in futures))

def edit():
    script = pathlib.Path(__file__)
    script.write_text(script.read_text() + "# edited" + chr(10))

if __name__ == "__main__":
    main()
"""
WORDS = (
    "script.py was edited after the run was submitted; the run had it as it was when "
    "the job imported it."
)


def test_show_explain_and_the_hint_say_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    good, bad = _run(tmp_path, "script.py").split()

    assert WORDS in _run(tmp_path, "-m", "tmgg.cli.jobs", "show", good)
    shown = json.loads(_run(tmp_path, "-m", "tmgg.cli.jobs", "show", good, "--json"))
    assert shown["result"]["changed_script"].endswith("/script.py")
    assert WORDS in _run(tmp_path, "-m", "tmgg.cli.jobs", "show", bad)
    assert WORDS in " ".join(_run(tmp_path, "-m", "tmgg.cli.jobs", "explain", bad).split())


def _run(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=150,
        env=os.environ | {"TMGG_HOME": str(folder / "home"), "COLUMNS": "300"}, check=True,
    ).stdout  # fmt: skip
