"""A job's `__main__`, in a process of its own."""

import json
import os
import subprocess
import sys
import zlib
from base64 import b64encode
from pathlib import Path

import pytest

from tmgg.experiment_utils.program.captured import Program, digest_of

SCRIPT = "NAME = 'then'\nif __name__ == '__main__':\n    start()\n"
LOAD = """
import json, sys
from tmgg.experiment_utils.program.captured import Program
from tmgg.experiment_utils.program.main_module import load_main, prepare_process
from tmgg.experiment_utils.program.pickling import find_in_main
program = Program.from_json(json.loads(sys.argv[1]))
prepare_process(program, ["x=1"], sys.argv[2])
load_main(program)
main = sys.modules["__main__"]
print(main.NAME, main.__file__ == program.script, sys.argv)
find_in_main("gone", 0)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_text(SCRIPT)
    return path


def test_the_script_is_loaded_as_it_is_now_and_a_change_is_reported(script: Path) -> None:
    program = _program(script)
    script.write_text(SCRIPT.replace("then", "now"))

    ended = _load(program, script.parent)

    assert ended.stdout == "now True ['app.py', 'x=1']\n"
    assert f"{script} has changed since this run was submitted" in ended.stderr


def test_a_script_that_is_not_on_this_machine_is_loaded_as_it_was(script: Path) -> None:
    program = _program(script)
    script.unlink()

    ended = _load(program, script.parent)

    assert ended.stdout.startswith("then ")
    assert "cannot be read here (No such file or directory)" in ended.stderr


def test_an_unchanged_script_is_loaded_without_a_word_and_what_it_lacks_is_reported(
    script: Path,
) -> None:
    ended = _load(_program(script), script.parent)

    assert "since" not in ended.stderr
    assert f"{script} has no 'gone' for this run" in ended.stderr


def test_a_script_that_ends_the_process_is_reported(script: Path) -> None:
    script.write_text("raise SystemExit(3)\n")

    assert "ended with 3 while a job loaded it" in _load(_program(script), script.parent).stderr


def _program(script: Path) -> Program:
    source = script.read_bytes()
    return Program(
        command="app.py",
        script=str(script),
        is_loadable=True,
        digest=digest_of(source),
        source=b64encode(zlib.compress(source)).decode(),
        search_path=[str(script.parent), *sys.path],
        own_path=[str(script.parent)],
    )


def _load(program: Program, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(program.to_json()), str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env=os.environ | {},
    )
