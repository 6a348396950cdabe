"""Whoever asks about runs of another package's backend asks the one that their records name."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.fakes.installed_package import installed_package
from tmgg.experiment_utils.cloud import make_runner
from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.runners_on_record import RunnersOnRecord
from tmgg.experiment_utils.run_folder.paths import RunPaths

MODULE = """
from dataclasses import replace
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner

def make_runner(options):
    own = dict(options)
    queue = own.pop("queue_folder", "the default")
    runner = LocalRunner(LocalConfig(**own), name="queue")
    backend = runner.runs.backend
    settings = {**backend.traits.settings, "queue_folder": queue}
    backend.traits = replace(backend.traits, settings=settings)
    return runner

def value(config):
    return 1
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    with installed_package("queue", MODULE, tmp_path, monkeypatch) as offer:
        offer("queue = queue_runner:make_runner", "")
        yield importlib.import_module("queue_runner")


def test_the_runner_has_all_settings_on_record_and_shares_no_question_with_other_ones(
    queue: ModuleType, tmp_path: Path
) -> None:
    config = {"experiment": {"_target_": "queue_runner:value"}}
    for folder in ("here", "there"):
        options = {"output_dir": str(tmp_path / "runs"), "queue_folder": folder}
        make_runner("queue", options).run_experiment(config, run_id=folder)

    runners = RunnersOnRecord()
    here, there = (
        runners.of(read_known_run(RunPaths(tmp_path / "runs", folder)))
        for folder in ("here", "there")
    )
    assert here.traits.settings["queue_folder"] == "here"
    assert there.traits.settings["queue_folder"] == "there"
    assert here.poller.source != there.poller.source
