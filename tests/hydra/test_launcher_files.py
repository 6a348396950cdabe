"""The launcher files of the repository are what the config classes say."""

import pytest
from omegaconf import OmegaConf

from tmgg.experiment_utils.cloud.factory import CONFIG_CLASSES
from tmgg.hydra_plugins.launcher_files import launcher_file, render_launcher
from tmgg.hydra_plugins.launcher_options import launcher_table


@pytest.mark.parametrize("backend", CONFIG_CLASSES)
def test_the_file_is_current(backend: str) -> None:
    # Otherwise: python -m tmgg.hydra_plugins.launcher_files
    assert launcher_file(backend).read_text() == render_launcher(backend)


@pytest.mark.parametrize("backend", CONFIG_CLASSES)
def test_the_file_has_the_values_of_the_table(backend: str) -> None:
    text = launcher_file(backend).read_text()

    assert OmegaConf.to_container(OmegaConf.create(text)) == launcher_table(backend)


def test_comments_have_the_names_and_words_of_yaml() -> None:
    text = render_launcher("slurm")

    assert "# GPU model as the site names it in gres (`a100`); null takes any.\n" in text
    assert "(see `slurm_runs_per_node`)" in text
    assert "None" not in text


def test_every_option_is_explained() -> None:
    for backend in CONFIG_CLASSES:
        *_header, _target, switch, rest = render_launcher(backend).split("\n", 5)
        entries = [line for line in rest.splitlines() if not line.startswith("#")]
        assert switch == f"use_{backend}: true"
        for entry in entries:
            before = rest[: rest.index(f"\n{entry}\n")].splitlines()[-1]
            assert before.startswith("# "), entry
