"""What of a job's config and surroundings tells it from another one."""

from pathlib import Path

import pytest

from tests.hydra.project import LOCAL, RESUME, Project

APP = """
import os
import hydra, numpy
from omegaconf import OmegaConf

class Grid:
    def __init__(self, step):
        self.step = step

def array(size):
    made = numpy.zeros(size)
    made[size // 2] = float(open("middle").read())
    return made

OmegaConf.register_new_resolver("array", array)
OmegaConf.register_new_resolver("grid", lambda: Grid(float(open("middle").read())))

@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(cfg):
    return cfg.x * (array(3000).sum() if "array" in cfg else 1)

if __name__ == "__main__":
    main()
"""
ONE, NONE = "resume: 1 of 1 recognised", "resume: 0 of 1 recognised"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("a.py", APP)
    return project


def check_counts(project: Project, name: str, before: str, after: str, *, key: str) -> None:
    """With another content of a file the job is another one, for what it has at `key`."""
    project.write(name, before)
    project.run("a.py", *LOCAL, "x=1")
    assert ONE in project.run("a.py", *RESUME, "x=1")
    project.write(name, after)
    other = project.run("a.py", *RESUME, "x=1")
    assert NONE in other
    assert f"1 differs from an earlier run in {key}" in other


@pytest.mark.parametrize("value", ["array: ${array:3000}", "grid: {at: [0, '${grid:}']}"])
def test_objects_that_resolvers_make_count_by_all_that_is_in_them(
    project: Project, value: str
) -> None:
    project.write("app.yaml", f"x: 1\n{value}\n")
    check_counts(project, "middle", "2", "3", key=value.partition(":")[0])


def test_keys_of_one_text_are_two_keys(project: Project) -> None:
    before, after = (f'x: 1\ntable: {{1: {number}, "1": 7}}\n' for number in (5, 6))
    check_counts(project, "app.yaml", before, after, key="table.1 (int)")


def test_places_below_keys_that_are_numbers_do_not_count(project: Project) -> None:
    project.write("app.yaml", "x: 1\nlogs: {0: '${hydra:runtime.output_dir}/log'}\n")
    project.run("a.py", *LOCAL, "x=1", "hydra.sweep.dir=one")
    assert ONE in project.run("a.py", *RESUME, "x=1", "hydra.sweep.dir=two")


def test_a_copied_variable_counts_as_if_the_code_read_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("app.yaml", "x: 1\n")
    copied = "hydra.job.env_copy=[MY_API_KEY,HOSTNAME,STEPS]"
    for name in ("MY_API_KEY", "HOSTNAME", "STEPS"):
        monkeypatch.setenv(name, "1")
    project.run("a.py", *LOCAL, "x=1", copied)
    monkeypatch.setenv("MY_API_KEY", "2")
    monkeypatch.setenv("HOSTNAME", "2")
    assert ONE in project.run("a.py", *RESUME, "x=1", copied)
    monkeypatch.setenv("STEPS", "2")
    other = project.run("a.py", *RESUME, "x=1", copied)
    assert "1 differs from an earlier run in hydra.job.env_set.STEPS" in other


def test_another_order_of_keys_is_recognised_and_named(project: Project) -> None:
    project.write("app.yaml", "x: 1\nsteps: {crop: {size: 2}, flip: {p: 1}}\n")
    project.run("a.py", *LOCAL, "x=1")
    assert "order of keys" not in project.run("a.py", *RESUME, "x=1")
    project.write("app.yaml", "x: 1\nsteps: {flip: {p: 1}, crop: {size: 2}}\n")
    other = project.run("a.py", *RESUME, "x=1")
    assert "1 is recognised, but the order of keys in steps differs\n" in other
