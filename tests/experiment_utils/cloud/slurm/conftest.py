"""A client of the fake Slurm, a script for it, and a job that it has."""

from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient


@pytest.fixture
def client(slurm: FakeSlurm) -> SlurmClient:
    return SlurmClient()


@pytest.fixture
def script(folder: Path) -> Path:
    path = folder / "job.sh"
    path.write_text("#!/bin/bash\n#SBATCH --partition=gpu\n#SBATCH --job-name='a \"b\"'\ntrue\n")
    return path


@pytest.fixture
def job_id(client: SlurmClient, script: Path) -> str:
    return client.submit(script, comment="tmgg:abc", cwd=script.parent)
