"""docs/from-submitit.md leaves out nothing that the installed submitit has."""

import dataclasses
import importlib
import inspect
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.cloud import SlurmConfig

PAGE = Path(__file__).parents[2] / "docs" / "from-submitit.md"
LEFT = re.compile(r"^\| (.+?) \|", re.MULTILINE)
NAME = re.compile(r"[A-Za-z_]+")


def named() -> set[str]:
    """Every name in the left column of a table."""
    return {name for cell in LEFT.findall(PAGE.read_text()) for name in NAME.findall(cell)}


def needed(name: str) -> Any:
    """The module; where it is missing the test is skipped, but in CI it fails."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{error}: install the group `test`")


def public(thing: object) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def test_every_call_and_parameter_of_submitit_is_listed() -> None:
    submitit = needed("submitit")
    slurm = needed("submitit.slurm.slurm")
    core = needed("submitit.core.core")
    auto = submitit.AutoExecutor
    wanted = set(inspect.signature(slurm._make_sbatch_string).parameters)
    wanted |= set(auto._typed_parameters())
    for executor in (auto, submitit.SlurmExecutor):
        wanted |= set(inspect.signature(executor).parameters) - {"kwargs"}
    for owner in (core.Executor, core.PicklingExecutor, auto, core.Job, submitit.JobEnvironment):
        wanted |= public(owner)
    wanted |= public(submitit.helpers.DelayedSubmission)
    helpers = vars(submitit.helpers)
    wanted |= {name for name, item in helpers.items() if _is_its_own(name, item)}

    assert sorted(wanted - named()) == []


def test_every_option_of_hydras_launcher_for_submitit_is_listed() -> None:
    config = needed("hydra_plugins.hydra_submitit_launcher.config")
    fields = {field.name for field in dataclasses.fields(config.SlurmQueueConf)} - {"_target_"}
    assert sorted(fields - named()) == []


def test_the_options_that_it_names_are_ours() -> None:
    text = PAGE.read_text().partition("## Parameters")[2].partition("## Jobs")[0]
    ours = {field.name for field in dataclasses.fields(SlurmConfig)}
    right = [line.split("|")[2] for line in text.splitlines() if line.startswith("| `")]
    for cell in right:
        for code in re.findall(r"`([a-z_]+)`", cell):
            assert code in {*ours, "parallelism", "map"}, cell


def _is_its_own(name: str, item: object) -> bool:
    module = getattr(item, "__module__", "") or ""
    return not name.startswith("_") and module.startswith("submitit")
