"""A submission that was just made, its job script, and what that leaves when bash runs it."""

import time
from pathlib import Path

import pytest

from tests.experiment_utils.conftest import HOSTILE_NAME
from tests.fakes.job_commands import SUCCESS
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import NO_TOKEN, Interpreter, render_script
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord, read_exit_record
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import Intent

PLAIN = SlurmConfig(nodes=1, ray_bootstrap="none")
FAILURE = SUCCESS.replace("echo 0", "echo 1") + "; exit 1"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The submitter's working directory."""
    return tmp_path / HOSTILE_NAME


@pytest.fixture
def paths(base: Path) -> SubmissionPaths:
    """A submission that was just made."""
    paths = RunPaths(base / "slurm_outputs", "run").submission(1)
    paths.folder.mkdir(parents=True)
    paths.run_paths.ended_folder.mkdir()
    return paths


def render(paths: SubmissionPaths, config: SlurmConfig = PLAIN) -> str:
    """The script, put where the record has it."""
    base = paths.run_paths.output_dir.parent
    script = render_script(config, paths, base=base, interpreter=Interpreter())
    paths.script.write_text(script)
    write_json(paths.intent, Intent(token=NO_TOKEN, evidence_has_token=True).to_json())
    return script


def exit_record(paths: SubmissionPaths) -> ExitRecord:
    record = read_exit_record(paths)
    assert record is not None, "no exit record, or a damaged one"
    return record


def phases(paths: SubmissionPaths) -> list[str]:
    return [line.split()[0] for line in paths.phases.read_text().splitlines()]


def wait_for_phase(paths: SubmissionPaths, name: str) -> None:
    deadline = time.monotonic() + 60
    while not paths.phases.exists() or name not in phases(paths):
        assert time.monotonic() < deadline, f"{name} never came"
        time.sleep(0.01)
