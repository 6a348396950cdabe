"""SlurmRunner on a pretended Slurm, and the experiments that its jobs run."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths

LAB = """
import os, time
from pathlib import Path
def good(config):
    return {"x": config.x, "nan": float("nan"), "checkpoint_path": "/c"}
def bad(config):
    raise ValueError("the loss is purple")
def slow(config):
    Path("begun").touch()
    time.sleep(600)
def once(config):
    if not Path("tried").exists():
        Path("tried").touch()
        raise RuntimeError("the first time")
    return 7
def interrupted(config):
    from tmgg.errors import StoppedEarlyError
    from tmgg.experiment_utils.job.context import current_run
    run = current_run()
    if run.previous_checkpoint is not None:
        return {"began_at": int(run.previous_checkpoint.read_text())}
    saved = run.output_dir / "saved"
    saved.write_text("7")
    run.note_checkpoint(saved)
    run.stop_path.write_text("time_limit\\n")
    raise StoppedEarlyError("at 7")
"""
PLAIN = SlurmConfig(nodes=1, ray_bootstrap="none")


@pytest.fixture
def runner(slurm: FakeSlurm, folder: Path) -> SlurmRunner:
    (folder / "lab.py").write_text(LAB)
    return SlurmRunner(PLAIN)


def config(function: str = "good", **values: Any) -> dict[str, Any]:
    return {"experiment": {"_target_": f"lab:{function}"}, "x": 3, **values}


def paths_of(runner: SlurmRunner, run_id: str = "run", number: int = 1) -> SubmissionPaths:
    return RunPaths(runner.output_dir, run_id).submission(number)


def spawn(runner: SlurmRunner, function: str = "good", run_id: str = "run") -> str:
    job_id = runner.spawn_experiment(config(function), run_id=run_id).job_id
    assert job_id is not None
    return job_id


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
