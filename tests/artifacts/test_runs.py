"""`checkpoint_path` is a place the caller can read, wherever the run ran."""

from pathlib import Path
from typing import Any

import fsspec
import pytest

from tests.artifacts.conftest import BUCKET
from tests.artifacts.lab import WEIGHTS
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner, TaskRequest

CONFIG = {"experiment": {"_target_": "tests.artifacts.lab:train"}}
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRunner:
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(PROJECT)  # jobs find tests.artifacts.lab there
    return LocalRunner(LocalConfig(output_dir=str(tmp_path / "runs")))


def test_without_a_url_a_checkpoint_is_a_file(runner: LocalRunner) -> None:
    result = runner.run_experiment(CONFIG)

    assert result.checkpoint_path is not None
    assert Path(result.checkpoint_path).read_bytes() == WEIGHTS


def test_with_a_url_a_checkpoint_is_an_object_of_s3(s3: Any, runner: LocalRunner) -> None:
    request = TaskRequest(config=CONFIG, artifact_url=f"s3://{BUCKET}/experiments/")
    result = runner.run_experiment(request)

    assert (result.status, result.metrics) == ("completed", {"loss": 0.25})
    there = f"s3://{BUCKET}/experiments/{result.run_id}"
    assert result.checkpoint_path == f"{there}/checkpoints/last.ckpt"
    with fsspec.open(result.checkpoint_path, "rb") as stream:
        assert stream.read() == WEIGHTS


def test_files_that_cannot_be_sent_fail_the_run_and_lose_no_metrics(
    s3: Any, runner: LocalRunner
) -> None:
    request = TaskRequest(config=CONFIG, artifact_url="file:///proc/no/such/place")
    result = runner.run_experiment(request)

    assert result.failure is not None
    assert (result.status, result.failure.kind) == ("failed", "artifacts")
    assert result.metrics == {"loss": 0.25}
    assert result.checkpoint_path is not None
    assert Path(result.checkpoint_path).read_bytes() == WEIGHTS
    assert result.error_message is not None
    assert "artifact_url" in result.error_message
