"""compose_config: what the command line composes, in Python, beside any Hydra app."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import version
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from omegaconf import DictConfig, OmegaConf

from tests.hydra.conftest import CONF, Lab
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import LocalRunner, compose_config

pytestmark = pytest.mark.usefixtures("hydra_state")


def test_the_built_in_config_is_composed_with_groups_and_overrides() -> None:
    config = compose_config(["+stage=stage1_poc", "seed=7"])

    assert config.stage == "stage1_poc"
    assert config.seed == 7
    assert "hydra" not in config


def test_a_mapping_of_the_launcher_can_be_set_on_the_command_line() -> None:
    given = ["hydra/launcher=tmgg_slurm", "hydra.launcher.slurm_sbatch_options={comment: hello}"]
    argv = [sys.executable, "-m", "tmgg.cli.experiment", *given, "--cfg", "hydra"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert OmegaConf.create(shown).hydra.launcher.slurm_sbatch_options == {"comment": "hello"}


@pytest.mark.parametrize("of_file", ["null", "{contiguous: true}"])
def test_an_option_of_sbatch_is_added_to_those_of_a_file_by_a_plus(
    tmp_path: Path, of_file: str
) -> None:
    file = tmp_path / "hydra" / "launcher" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"defaults: [tmgg_slurm]\nslurm_sbatch_options: {of_file}\n")
    added = "+hydra.launcher.slurm_sbatch_options.licenses=matlab"
    shown = show_launcher(tmp_path, added)
    told = OmegaConf.create(shown.stdout).hydra.launcher.slurm_sbatch_options
    assert told == {**(yaml.safe_load(of_file) or {}), "licenses": "matlab"}
    refused = show_launcher(tmp_path, added.removeprefix("+"))
    assert f"To append to your config use {added}" in refused.stderr


def show_launcher(folder: Path, override: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tmgg.cli.experiment", "--config-dir", str(folder)]
    given = ["hydra/launcher=mine", override, "--cfg", "hydra"]
    return subprocess.run([*argv, *given], capture_output=True, text=True, timeout=60)


def test_own_configs_come_from_a_folder(lab: Lab) -> None:
    config = compose_config(
        ["model=large", "+extra=note", "~name"], config_dir=Path("conf"), config_name="tiny"
    )

    assert config.model.size == 10
    assert config.extra.note == "hello"
    assert "name" not in config
    assert LocalRunner().run_experiment(config).metrics == {"score": 20, "x": 2}


def test_it_is_what_the_command_line_composes(lab: Lab) -> None:
    lab.run("model=large", "+extra=note", "hydra.run.dir=here")

    composed = compose_config(["model=large", "+extra=note"], config_dir=CONF, config_name="tiny")

    assert OmegaConf.load("here/.hydra/config.yaml") == composed


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=absent"], "absent"),
        (["nothing_such=1"], "nothing_such"),
        (["seed=1,2"], "seed=1,2"),
        (["=x"], "=x"),
    ],
)
def test_what_hydra_cannot_compose_is_a_config_error(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose_config(overrides)


def test_a_folder_that_is_not_there_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="/no/such"):
        compose_config(config_dir=Path("/no/such"))


def test_the_state_of_a_hydra_app_around_it_is_left_alone() -> None:
    JobRuntime.instance().set("name", "somebody")
    before = dict(Singleton._instances)
    base, stored = version.getbase(), ConfigStore.instance().list("hydra/launcher")
    initialized = GlobalHydra.instance().is_initialized()
    job = HydraConfig.instance().cfg

    compose_config(["seed=1", "hydra/launcher=tmgg_slurm"])

    assert Singleton._instances.keys() >= before.keys()
    assert all(Singleton._instances[kind] is before[kind] for kind in before)
    assert JobRuntime.instance().get("name") == "somebody"
    assert version.getbase() == base
    assert ConfigStore.instance().list("hydra/launcher") == stored
    assert GlobalHydra.instance().is_initialized() == initialized
    assert HydraConfig.instance().cfg is job


def test_an_experiment_may_compose_while_hydra_runs_it(lab: Lab) -> None:
    lab.write(
        "composing.py",
        "from hydra.core.hydra_config import HydraConfig\n"
        "from tmgg.experiment_utils.cloud import compose_config\n"
        "def run(config):\n"
        "    seed = compose_config(['seed=7']).seed\n"
        "    return {'seed': seed, 'mode': HydraConfig.get().mode.value}\n",
    )

    ended = lab.run("experiment._target_=composing:run")

    assert ended.code == 0, ended.err
    assert ["seed", "7"] in [line.split() for line in ended.out.splitlines()]


def test_the_result_is_a_config_that_can_be_changed() -> None:
    config = compose_config()
    assert isinstance(config, DictConfig)
    config.seed = 3

    assert config.seed == 3
