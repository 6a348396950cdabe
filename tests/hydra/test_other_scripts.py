"""Two scripts whose task function is not in them: neither takes the other's results."""

from pathlib import Path

import pytest

from tests.hydra.project import LOCAL, RESUME, Project

WRAPPER = """
import hydra
class Wrapper:
    def __init__(self, function):
        self.function = function
    def __call__(self, config):
        return self.function(config.x)
    def start(self):
        hydra.main(version_base="1.3", config_path=None)(self)()
"""
WRAPPED = """
import sys
sys.path.append("lib/site-packages")
from wrapper.core import Wrapper
def train(x):
    return 10 * x
if __name__ == "__main__":
    Wrapper(train).start()
"""
PACKAGE = """
from hydra.utils import instantiate
def main(config):
    return instantiate(config.model).width if "model" in config else 1
"""
NAMED = """
import hydra
from package.lab import main
from hydra.experimental.callback import Callback
class Net:
    width = 10
class Noting(Callback):
    pass
if __name__ == "__main__":
    hydra.main(version_base="1.3", config_path=None)(main)()
"""
AGAIN = "hydra.launcher.rerun_changed_code=true"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    for package, name, text in (
        ("lib/site-packages/wrapper", "core", WRAPPER),
        ("package", "lab", PACKAGE),
    ):
        (tmp_path / package).mkdir(parents=True)
        project.write(f"{package}/__init__.py", "")
        project.write(f"{package}/{name}.py", text)
    for name, text in {"wrapped": WRAPPED, "named": NAMED}.items():
        project.write(f"{name}_one.py", text)
        project.write(f"{name}_two.py", text.replace("10", "1000"))
    return project


@pytest.mark.parametrize(
    ("name", "given"), [("wrapped", "+x=1"), ("named", "+model._target_=__main__.Net")]
)
def test_scripts_apart_from_their_task_function_are_two_programs_with_versions(
    project: Project, name: str, given: str
) -> None:
    one, two = f"{name}_one.py", f"{name}_two.py"
    assert project.values(project.run(one, *LOCAL, given)) == [10]
    other = project.run(two, *RESUME, given)
    assert project.values(other) == [1000]
    assert "1 differs from an earlier run in the script" in other

    text = (project.folder / one).read_text()
    project.write(one, text.replace("10", "20"))
    again = project.run(one, *RESUME, given)
    assert project.values(again) == [10]
    assert f"1 was made by an earlier version of {one}" in again
    assert project.values(project.run(one, *RESUME, AGAIN, given)) == [20]


def test_a_callback_of_the_script_and_a_script_that_only_sets_up_are_code_of_the_program(
    project: Project,
) -> None:
    callback = "+hydra.callbacks.noting._target_=__main__.Noting"
    for more in ((callback,), ()):
        project.run("named_one.py", *LOCAL, *more, "+x=1")
        text = (project.folder / "named_one.py").read_text()
        project.write("named_one.py", f"{text}\n# edited")
        again = project.run("named_one.py", *RESUME, *more, "+x=1")
        assert "resume: 1 of 1 recognised; 0 to run" in again
        assert "1 was made by an earlier version of named_one.py" in again
