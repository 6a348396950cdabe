"""Every config composes into settings that training accepts, with the promised precedence."""

import itertools
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from tmgg.models import MODELS
from tmgg.training.config import Settings, TrainerConfig, parse_settings
from tmgg.training.graph_data import DataConfig, MixedDataConfig

GROUPS = ("data", "model", "noise", "scale", "stage", "trainer")
FOLDER = Path(str(files("tmgg.exp_configs")))


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / group).glob("*.yaml"))


@pytest.fixture(autouse=True)
def hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_module("tmgg.exp_configs", version_base="1.3"):
        yield


def composed(*overrides: str) -> dict[str, object]:
    config = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    return cast(dict[str, object], config)


def settings(*overrides: str) -> Settings:
    return parse_settings(composed(*overrides))


def test_every_group_has_configs_and_models_are_the_registered_ones() -> None:
    assert all(choices(group) for group in GROUPS)
    assert choices("model") == sorted(MODELS)
    assert choices("scale") == ["full", "smoke"]


@pytest.mark.parametrize(
    ("group", "choice"),
    [(group, choice) for group in GROUPS if group != "stage" for choice in choices(group)],
)
def test_every_config_composes_into_valid_settings(group: str, choice: str) -> None:
    settings(f"{group}={choice}")


@pytest.mark.parametrize(
    ("stage", "model", "scale"),
    list(itertools.product(choices("stage"), choices("model"), choices("scale"))),
)
def test_every_stage_runs_with_every_model_at_every_scale(
    stage: str, model: str, scale: str
) -> None:
    config = composed(f"+stage={stage}", f"model={model}", f"scale={scale}")
    made = parse_settings(config)
    assert config["stage"] == stage
    assert type(made.model) is MODELS[model].config


def test_yaml_and_dataclass_defaults_are_the_same() -> None:
    assert settings() == Settings()
    classes: dict[str, Any] = {
        "data/sbm": DataConfig,
        "data/mixed": MixedDataConfig,
        "trainer/default": TrainerConfig,
    }
    for config, cls in classes.items():
        keys = set(OmegaConf.load(FOLDER / f"{config}.yaml"))
        assert keys - {"name"} == set(cls.__dataclass_fields__)
    for name, entry in MODELS.items():
        values = OmegaConf.load(FOLDER / "model" / f"{name}.yaml").model
        assert settings(f"model={name}").model == entry.config()
        assert set(values) - {"name"} == set(entry.config.__dataclass_fields__)


def test_the_default_scale_is_the_smoke_scale() -> None:
    assert settings("+stage=stage1_poc") == settings("+stage=stage1_poc", "scale=smoke")


def test_a_model_brings_the_learning_rate_it_was_tuned_with() -> None:
    assert settings("model=gnn").trainer.learning_rate == 2e-2
    assert settings("model=linear_pe").trainer.learning_rate == 1e-2
    assert settings("model=gnn", "trainer.learning_rate=1e-4").trainer.learning_rate == 1e-4


def test_scale_sets_size_and_length() -> None:
    full = settings("+stage=stage1_poc", "scale=full")
    assert (full.data.n, full.model.k, full.trainer.steps) == (50, 16, 5000)


def test_the_sanity_stage_is_the_same_at_every_scale() -> None:
    smoke, full = (
        settings("+stage=stage1_sanity", f"scale={scale}") for scale in ("smoke", "full")
    )
    assert full.data.protocol == "fixed_pair"
    assert full.model.k == full.data.n == 32
    assert (full.trainer, full.model) == (smoke.trainer, smoke.model)


@pytest.mark.parametrize("stage", choices("stage"))
def test_the_command_line_wins_over_stage_and_scale(stage: str) -> None:
    # Shifts are of flips; with another noise they are refused.
    made = settings(
        f"+stage={stage}", "scale=full", "noise=gaussian", "shifts=[]", "data.n=40", "model.k=20",
        "trainer.steps=7", "seed=1",
    )  # fmt: skip
    assert (made.data.n, made.model.k, made.trainer.steps, made.seed) == (40, 20, 7, 1)
    assert type(made.noise).__name__ == "GaussianNoise"


def test_the_experiment_is_a_key_anyone_can_replace() -> None:
    assert composed()["experiment"] == {"_target_": "tmgg.experiments.denoising:run"}
    override = "experiment._target_=my_package.my_module:my_function"
    assert composed(override)["experiment"] == {"_target_": "my_package.my_module:my_function"}


def test_each_stage_writes_below_its_own_name() -> None:
    config = compose("config", ["+stage=stage1_poc"], return_hydra_config=True)
    for folder in (config.hydra.run.dir, config.hydra.sweep.dir):
        assert str(folder).startswith("outputs/stage1_poc/")


def test_runs_that_start_in_the_same_second_have_folders_of_their_own() -> None:
    folder = compose("config", [], return_hydra_config=True).hydra.run.dir
    assert re.fullmatch(r"outputs/custom/\d{4}(-\d\d){2}_\d\d(-\d\d){2}_\d{6}", folder)
