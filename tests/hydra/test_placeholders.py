"""Names in place of Hydra's places, times and numbers, and what resolvers can do with them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf

from tmgg.hydra_plugins.placeholders import as_anywhere, has_job_id, named_text, of_launch
from tmgg.hydra_plugins.resolving import as_in_job

pytestmark = pytest.mark.usefixtures("hydra_state", "resolvers_forgotten")


def job(value: str, **sweep: str) -> DictConfig:
    setup_globals()
    return OmegaConf.create(
        {
            "value": value,
            "hydra": {
                "runtime": {"output_dir": "/s/0"},
                "run": {"dir": "/r"},
                "sweep": {"dir": "/s", "subdir": "0", **sweep},
                "job": {"num": 0, "id": "0"},
            },
        }
    )


def named(value: str) -> str:
    config = job(value)
    with as_anywhere(config, of_launch()):
        return named_text(str(config.value), config, "value")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("${hydra:runtime.output_dir}/a", "/<hydra.runtime.output_dir>/a"),
        ("${hydra:sweep.dir}", "/<hydra.sweep.dir>"),
        ("${hydra:run.dir}/${hydra:sweep.subdir}", "/<hydra.run.dir>/<hydra.sweep.subdir>"),
        ("${now:%Y}-${hydra.job.id}", "<now:%Y>-<hydra.job.id>"),
        ("fold_${hydra:job.num}", "fold_0"),
        ("${now:%Y}_${hydra:job.num}", "<now:%Y>_-8640086400"),
    ],
)
def test_places_times_and_ids_have_names_and_the_number_beside_them_says_nothing(
    value: str, text: str
) -> None:
    assert named(value) == text


def test_afterwards_everything_is_as_before() -> None:
    config = job("${hydra:sweep.dir}/${hydra:job.num}")
    before = OmegaConf.to_container(config, resolve=False)

    with as_anywhere(config, of_launch()):
        named_text(str(config.value), config, "value")

    assert OmegaConf.to_container(config, resolve=False) == before
    with as_in_job(config):
        assert config.value == "/s/0"


@pytest.mark.parametrize(
    "act",
    [os.makedirs, os.mkdir, os.listdir, lambda path: Path(path).write_text("")],
)
@pytest.mark.parametrize(
    "place",
    ["hydra:runtime.output_dir", "hydra:sweep.dir", "hydra:sweep.subdir", "hydra:job.id", "now:%Y"],
)
def test_no_file_can_have_these_names(
    act: Callable[[str], Any], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    OmegaConf.register_new_resolver("act", act)

    with pytest.raises(Exception, match=r"Not a directory|null"):
        named(f"${{act:${{{place}}}/x}}")
    with pytest.raises(Exception, match=r"Not a directory|null"):
        named(f"${{act:${{{place}}}}}")

    assert list(tmp_path.iterdir()) == []


def test_a_number_is_still_one_and_in_a_path_it_is_none() -> None:
    OmegaConf.register_new_resolver("next", lambda number: number + 1)
    OmegaConf.register_new_resolver("listed", lambda number: f"{number:03d} {number} {[number]}")

    assert named("${now:%Y} ${next:${hydra:job.num}}") == "<now:%Y> -8640086399"
    number = "-8640086400"
    assert named("${now:%Y} ${listed:${hydra:job.num}}") == (
        f"<now:%Y> {number} {number} [{number}]"
    )


def test_a_place_can_be_resolved_and_taken_apart() -> None:
    OmegaConf.register_new_resolver("name", lambda path: Path(path).resolve().name)

    assert named("${name:${hydra:sweep.dir}}") == "<hydra.sweep.dir>"


def test_the_id_is_found_through_other_keys_and_resolvers_and_not_in_a_plain_text() -> None:
    OmegaConf.register_new_resolver("strict", lambda text: str(int(text)))
    folders = {
        "/data/job.identity": False,
        "/data/${hydra.job.num}": False,
        "/data/${hydra.job.id}": True,
        "/data/${value}": True,
        "/data/${strict:${hydra:job.id}}": True,
    }
    for folder, has_id in folders.items():
        config = job("${hydra:job.id}", dir=folder)
        with as_in_job(config):
            assert has_job_id(config, "dir") is has_id
            assert not has_job_id(config, "subdir")
