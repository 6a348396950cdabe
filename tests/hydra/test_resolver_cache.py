"""Cached results of resolvers: those of the launch's folders go to the job, others do not."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.hydra.project import LOCAL, Project
from tmgg.hydra_plugins.resolver_cache import cache_kept

APP = """
import os, uuid
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

def job_id():
    return HydraConfig.get().job.id

OmegaConf.register_new_resolver("process", lambda: os.getpid(), use_cache=True)
OmegaConf.register_new_resolver("uuid", lambda number: uuid.uuid4().hex, use_cache=True)
OmegaConf.register_new_resolver("job_id", job_id, use_cache=True)

@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(cfg):
    own = HydraConfig.get()
    assert cfg.process == os.getpid() == int(os.environ["PROCESS"])
    assert cfg.job == own.job.id
    assert cfg.id == own.sweep.subdir == os.path.basename(own.runtime.output_dir)
    open("time", "w").write(cfg.time)

if __name__ == "__main__":
    main()
"""
CONFIG = """
process: ${process:}
job: ${job_id:}
id: ${uuid:1}
time: ${now:%Y%m%d%H%M%S%f}
hydra:
  job: {env_set: {PROCESS: "${process:}"}}
  sweep: {subdir: "${id}"}
"""


def test_a_job_has_the_cached_values_of_its_own_machine_and_the_folder_of_its_launch(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path)
    project.write("a.py", APP)
    project.write("app.yaml", CONFIG)

    project.run("a.py", *LOCAL)

    (record,) = tmp_path.glob("local_outputs/*/task.json")
    assert json.loads(record.read_text())["config"]["time"] == (tmp_path / "time").read_text()


@pytest.mark.usefixtures("resolvers_forgotten")
def test_the_cache_is_as_before_but_for_the_resolvers_that_are_named() -> None:
    for name in ("one", "two"):
        OmegaConf.register_new_resolver(name, lambda number: number, use_cache=True)
    config = OmegaConf.create({"a": "${one:1}", "b": "${one:2}", "c": "${two:3}"})
    assert config.a == 1

    with cache_kept(config, without=("two",)):
        assert (config.b, config.c) == (2, 3)

    cache = OmegaConf.get_cache(config)
    assert {name: list(found.values()) for name, found in cache.items()} == {"one": [1], "two": [3]}
