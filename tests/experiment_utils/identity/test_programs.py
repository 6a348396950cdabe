"""A program's script and modules count, however they are reached: two scripts are two programs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LAB = "def run(x, fn=None, model=None):\n    return fn(x)\n"
OTHER = "import deeper\ndef f(x): return x\nclass Loss: pass\n"
WRAPPER = """
class Wrapper:
    def __init__(self, function):
        self.function = function
    def __call__(self, config):
        return self.function(config)
"""
SCRIPT = """
import functools, importlib, json, math, sys
sys.path.append("lib/site-packages")
import lab, wrapper
from tmgg.experiment_utils.calls.packing import CallPacker
from tmgg.experiment_utils.identity.programs import Programs, program_of
from tmgg.experiment_utils.identity.run_identity import make_identity

def objective(x):
    return x * NUMBER

class Model:
    pass

def identified(found):
    is_call = hasattr(found, "payload")
    return found.identity if is_call else make_identity(found, config={}, arguments=found.arguments)

if __name__ == "__main__":
    print(json.dumps(identified(PROGRAM).to_json()))
"""
REACHED = {
    "a partial": "program_of(functools.partial(lab.run, fn=objective))",
    "an object": "program_of(wrapper.Wrapper(objective))",
    "an object in a partial": "program_of(functools.partial(lab.run, model=Model()))",
    "a class": "program_of(functools.partial(lab.run, model=Model))",
    "a built-in function": "program_of(functools.partial(math.fsum, [Model()]))",
    "an argument of a call": "CallPacker(lab.run).pack((1,), {'fn': objective})",
    "an object in an argument": "CallPacker(lab.run).pack(([Model()],), {})",
    "the config": 'Programs().with_names(program_of(lab.run), ["__main__.Model"])',
}


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path.resolve()
    write(folder, lab=LAB, other=OTHER, deeper="", setting="import os\nos.environ.get('STEPS')\n")
    write(folder / "lib" / "site-packages", wrapper=WRAPPER)
    return folder


def identity(script: Path, **variables: str) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, script.name], cwd=script.parent, capture_output=True, text=True,
        timeout=60, check=False, env=os.environ | variables,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def script(folder: Path, name: str, program: str, number: int = 1) -> Path:
    text = SCRIPT.replace("PROGRAM", program).replace("NUMBER", str(number))
    write(folder, **{name: text})
    return folder / f"{name}.py"


def changed(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Files of the project by name; those of TMGG, which the scripts import, left out."""
    return {
        Path(name).name
        for name, _content in one["files"].items() ^ other["files"].items()
        if "/tmgg/" not in name
    }


@pytest.mark.parametrize("program", REACHED.values(), ids=REACHED.keys())
def test_two_scripts_are_two_programs_and_an_edit_of_one_is_another_version(
    project: Path, program: str
) -> None:
    one = identity(script(project, "one", program))
    assert identity(script(project, "one", program)) == one
    two = identity(script(project, "two", program))
    assert one["key"] != two["key"]
    edited = identity(script(project, "one", program, number=2))
    assert edited["key"] == one["key"]
    assert edited["source"] != one["source"]


def test_code_that_only_what_is_bound_has_is_part_of_the_program(project: Path) -> None:
    load = "importlib.import_module('ot' + 'her')"  # no import statement tells it
    program = f"program_of(functools.partial(lab.run, fn={load}.f))"
    before = identity(script(project, "one", program))
    write(project, deeper="SIZE = 2\n")
    assert changed(before, identity(project / "one.py")) == {"deeper.py"}
    method = f"program_of(functools.partial(lab.run, model=[{load}.Loss()]))"
    assert "other.py" in identity(script(project, "one", method))["files"]


def test_modules_of_two_projects_that_an_installed_program_is_given_are_two_programs(
    project: Path, tmp_path: Path
) -> None:
    program = "program_of(wrapper.Wrapper(lab.run))"
    one = identity(script(project, "one", program))
    second = tmp_path / "second"
    write(second, lab=LAB)
    write(second / "lib" / "site-packages", wrapper=WRAPPER)
    assert identity(script(second, "one", program))["key"] != one["key"]


def test_a_script_that_jobs_load_is_code_of_a_program_that_it_only_sets_up(project: Path) -> None:
    path = script(project, "one", "program_of(lab.run)")
    before = identity(path)
    two = identity(script(project, "two", "program_of(lab.run)"))
    assert two["key"] == before["key"]
    path.write_text(f"import setting\n{path.read_text()}")
    assert changed(before, identity(path)) == {"one.py", "setting.py"}
    assert identity(path, STEPS="1")["key"] != before["key"]
    unguarded = path.read_text().replace('if __name__ == "__main__":', "if True:")
    path.write_text(unguarded)
    assert "one.py" not in identity(path)["files"]


def test_a_function_of_the_script_has_the_place_of_the_script_in_its_name_alone(
    project: Path,
) -> None:
    found = identity(script(project, "one", "program_of(objective)"))
    assert found["program"] == f"{project}/one.py:objective"
    bound = identity(script(project, "one", "program_of(functools.partial(objective, Model()))"))
    assert found["surroundings"] == bound["surroundings"] == {}
