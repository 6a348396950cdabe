"""The secret of an array element's Ray cluster: whole, or the job ends."""

import stat
from pathlib import Path

import pytest

from tests.fakes.job_commands import JobCommands
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import Interpreter, render_array_script
from tmgg.experiment_utils.run_folder.paths import BatchPaths

ELEMENT = {"SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": "0"}


@pytest.fixture
def script(tmp_path: Path) -> str:
    batch = BatchPaths(tmp_path / "slurm_outputs", "sweep.1")
    batch.folder.mkdir(parents=True)
    (batch.folder / "runs").write_text("run/1 x\n")
    config = SlurmConfig(nodes=2, exclusive=False)
    return render_array_script(config, batch, array="0-0", base=tmp_path, interpreter=Interpreter())


@pytest.fixture
def token(tmp_path: Path) -> Path:
    return tmp_path / "slurm_outputs" / "run" / "1" / "ray_token"


@pytest.mark.parametrize("left", ["", "0123abcd"])
def test_a_token_that_an_earlier_start_left_in_part_is_made_anew(
    script: str, token: Path, tmp_path: Path, left: str
) -> None:
    token.parent.mkdir(parents=True)
    token.write_text(left)
    JobCommands.install(tmp_path / "bin").run(script, tmp_path, **ELEMENT)
    assert len(bytes.fromhex(token.read_text())) == 32


def test_a_token_is_its_owners_and_stays_through_a_restart(
    script: str, token: Path, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    commands.run(script, tmp_path, **ELEMENT)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    first = token.read_text()
    commands.run(script, tmp_path, SLURM_RESTART_COUNT="1", **ELEMENT)
    assert token.read_text() == first


@pytest.mark.parametrize("written", ["", "0123abcd"])
def test_a_token_that_cannot_be_written_whole_ends_the_job(
    script: str, token: Path, tmp_path: Path, written: str
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    (commands.folder / "od").write_text(f"#!/bin/sh\nprintf '{written}'\n")
    (commands.folder / "od").chmod(0o755)
    done = commands.run(script, tmp_path, **ELEMENT)
    assert (done.returncode, commands.calls()) == (74, [])
    said = (tmp_path / "slurm_outputs" / "run.err").read_text()
    assert f"tmgg: cannot write to {token}" in said
    found = diagnose_exit(None, "74:0", "FAILED", LogTails(stderr=said))
    assert found.kind == "environment"
