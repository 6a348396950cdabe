"""SlurmRunner on a clock that nobody waits for, and what it submits."""

from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud.slurm.backend import SlurmBackend
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths

CONFIG = {"experiment": {"_target_": "lab:run"}}


@pytest.fixture
def runner(slurm: FakeSlurm, folder: Path, clock: FakeClock) -> SlurmRunner:
    return SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"), clock=clock)


def paths_of(runner: SlurmRunner, run_id: str = "run", number: int = 1) -> SubmissionPaths:
    return RunPaths(runner.output_dir, run_id).submission(number)


def spawn(runner: SlurmRunner, run_id: str = "run") -> str | None:
    return runner.spawn_experiment(CONFIG, run_id=run_id).job_id


@pytest.fixture
def paths(runner: SlurmRunner, monkeypatch: pytest.MonkeyPatch) -> SubmissionPaths:
    """A submission on record for which sbatch has not been called."""
    monkeypatch.setattr(SlurmBackend, "start", lambda *_given: "0")
    spawn(runner)
    return paths_of(runner)
