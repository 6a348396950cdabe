"""Values that a resolver makes anew at each evaluation do not tell runs apart."""

import itertools
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.hydra.project import LOCAL, RESUME, Project
from tmgg.hydra_plugins.made_anew import MadeAnew

pytestmark = pytest.mark.usefixtures("resolvers_forgotten")


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize(
    "make",
    [lambda *_: uuid.uuid4().hex, lambda *_: random.random(), lambda *_: [uuid.uuid4()]],
)
def test_a_value_that_differs_each_time_has_a_name(
    make: Callable[..., Any], use_cache: bool
) -> None:
    OmegaConf.register_new_resolver("make", make, use_cache=use_cache)
    config = OmegaConf.create({"x": 3, "value": "run_${make:a,${x}}"})

    with MadeAnew().as_names():
        assert config.value == "run_<made anew by make:a,3>"

    assert "made anew" not in config.value


@pytest.mark.parametrize("value", [1, "text", [1, "a"], {"a": 1}, float("nan"), object()])
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_value_that_stays_is_itself(value: object, use_cache: bool) -> None:
    OmegaConf.register_new_resolver("make", lambda: value, use_cache=use_cache)
    config = OmegaConf.create({"value": "${make:}"}, flags={"allow_objects": True})
    before = repr(config.value)

    with MadeAnew().as_names():
        assert repr(config.value) == before


def test_an_object_is_itself_as_it_counts_by_what_is_in_it() -> None:
    OmegaConf.register_new_resolver("made", object)
    config = OmegaConf.create({"made": "${made:}"}, flags={"allow_objects": True})

    with MadeAnew().as_names():
        assert type(config.made) is object


def test_a_resolver_that_fails_when_asked_again_keeps_its_value(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    OmegaConf.register_new_resolver("mkdir", lambda: (tmp_path / "made").mkdir(), use_cache=True)
    config = OmegaConf.create({"made": "${mkdir:}"})
    OmegaConf.get_cache(config)["mkdir"][()] = "kept"

    with MadeAnew().as_names():
        assert config.made == "kept"


def test_a_cached_value_stays_and_each_resolver_is_tried_once_in_a_launch() -> None:
    calls = itertools.count()
    OmegaConf.register_new_resolver("kept", lambda: next(calls) // 100, use_cache=True)
    made_anew, configs = MadeAnew(), [OmegaConf.create({"a": "${kept:}"}) for _ in range(5)]

    for config in configs:
        assert config.a == 0
        with made_anew.as_names():
            assert config.a == 0

    assert next(calls) == len(configs) + 1


APP = """
import random, tempfile, uuid
import hydra
from omegaconf import OmegaConf

OmegaConf.register_new_resolver("uuid", lambda number: str(uuid.uuid1()), use_cache=True)
OmegaConf.register_new_resolver("random", random.random)
OmegaConf.register_new_resolver("tmpdir", tempfile.mkdtemp, use_cache=True)
OmegaConf.register_new_resolver("length", len)

@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(cfg):
    return {"y": cfg.x}

if __name__ == "__main__":
    main()
"""
CONFIG = """
x: 1
id: ${uuid:1}
name: ${id}_${x}
seed: ${random:}
half: ${oc.decode:"0.5"}
length: ${length:${id}}
tmp: ${tmpdir:scratch}
hydra:
  job: {env_set: {RUN: "${uuid:2}"}}
"""


def test_runs_with_made_ids_are_recognised_and_said_to_be_compared_as_written(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path)
    project.write("a.py", APP)
    project.write("app.yaml", CONFIG)
    project.run("a.py", *LOCAL, "x=1,2", "+more=${uuid:3}")

    again = project.run("a.py", *RESUME, "x=1,2,3", "+more=${uuid:3}")
    other = project.run("a.py", *RESUME, "x=1", "+more=${uuid:4}")

    assert "resume: 2 of 3 recognised; 1 to run" in again
    assert "2 are recognised by what is written in id, length, more and 3 more" in again
    assert "differs from an earlier run in name, x\n" in again
    assert "resume: 0 of 1 recognised; 1 to run" in other
    assert "differs from an earlier run in more\n" in other
