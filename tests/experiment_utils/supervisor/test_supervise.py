"""The Python of an experiment has the options of the Python that launched it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner
from tmgg.experiment_utils.cloud.local.runner import LocalBackend
from tmgg.experiment_utils.run_folder.paths import RunPaths

LAB = """
import sys

def look(config):
    return {"is_strict": sys.warnoptions == ["error::UserWarning:it's"]}
"""
CONFIG = {"experiment": {"_target_": "lab:look"}}


@pytest.fixture
def strict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRunner:
    """A runner of a Python with an option."""
    (folder / "lab.py").write_text(LAB)
    monkeypatch.setattr(sys, "warnoptions", ["error::UserWarning:it's"])
    return LocalRunner(LocalConfig(output_dir=str(folder / "out")))


def test_a_run_of_the_local_backend_has_them(strict: LocalRunner) -> None:
    result = strict.run_experiment(CONFIG, run_id="run")

    assert (result.status, result.metrics) == ("completed", {"is_strict": 1}), result.failure


def test_what_other_backends_run_as_their_job_gives_them_too(
    strict: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBackend, "start", lambda *_given: "job-7")
    strict.spawn_experiment(CONFIG, run_id="run")
    submission = RunPaths(strict.output_dir, "run").submission(1)

    entry = [sys.executable, "-m", "tmgg.experiment_utils.supervisor.entry"]
    ended = subprocess.run([*entry, str(submission.folder), "job-7"], timeout=120, check=False)

    assert ended.returncode == 0, submission.run_paths.stderr.read_text()
    assert strict.get_result("run").metrics == {"is_strict": 1}
