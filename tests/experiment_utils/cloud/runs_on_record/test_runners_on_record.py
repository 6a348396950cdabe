"""Whoever asks about runs of another package's backend asks the one that their records name."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tmgg.experiment_utils.cloud import make_runner, plugins
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
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queue_runner.py").write_text(MODULE)
    info = tmp_path / "queue-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: queue\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{plugins.RUNNERS}]\nqueue = queue_runner:make_runner")
    plugins.found.cache_clear()
    module = importlib.import_module("queue_runner")

    yield module
    plugins.found.cache_clear()
    sys.modules.pop("queue_runner", None)


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
