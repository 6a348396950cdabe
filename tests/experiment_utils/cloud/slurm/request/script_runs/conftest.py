"""A submission that was just made, its job script, and what that leaves when bash runs it."""

import signal
import time
from pathlib import Path

import pytest

from tests.experiment_utils.conftest import HOSTILE_NAME
from tests.fakes.job_commands import SUCCESS, JobCommands
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import NO_TOKEN, Interpreter, render_script
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.job.job_exit_codes import STOPPED
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord, read_exit_record
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import Intent

PLAIN = SlurmConfig(nodes=1, ray_bootstrap="none")
FAILURE = SUCCESS.replace("echo 0", "echo 1") + "; exit 1"
# Waits for the stop file, then ends as an experiment that saved its state; "$last" is the folder.
HEEDS = f"""
    echo "entrypoint_start 1 node1" >> "$last/phases"
    for _ in $(seq 1000); do [ -s "$last/stop" ] && break; sleep 0.01; done
    cp "$last/stop" "$last/seen"
    echo {STOPPED} > "$last/entrypoint_exit_code"
    exit {STOPPED}"""
# Less than the minute for which a job that was put back into the queue waits for its end.
PATIENCE_S = 45


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The submitter's working directory."""
    return tmp_path / HOSTILE_NAME


@pytest.fixture
def paths(base: Path) -> SubmissionPaths:
    """A submission that was just made."""
    return make_submission(base)


def make_submission(base: Path) -> SubmissionPaths:
    """The first of a run, submitted from `base`."""
    paths = RunPaths(base / "slurm_outputs", "run").submission(1)
    paths.folder.mkdir(parents=True)
    paths.run_paths.ended_folder.mkdir()
    return paths


def base_of(paths: SubmissionPaths) -> Path:
    """The working directory that it was submitted from."""
    return paths.run_paths.output_dir.parent


def render(paths: SubmissionPaths, config: SlurmConfig = PLAIN) -> str:
    """The script, put where the record has it."""
    script = render_script(config, paths, base=base_of(paths), interpreter=Interpreter())
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


def run_to_time_limit(
    paths: SubmissionPaths,
    commands: JobCommands,
    script: str,
    *,
    signalled: bool = True,
    **variables: str,
) -> tuple[int, str]:
    """Run the script, send it Slurm's early signal; its exit code and what it said on stderr."""
    with commands.start(script, base_of(paths), **variables) as job:
        (base_of(paths) / "batch.pid").write_text(str(job.pid))
        wait_for_phase(paths, "entrypoint_start")
        if signalled:
            job.send_signal(signal.SIGUSR2)
        _out, said = job.communicate(timeout=PATIENCE_S)
    return job.returncode, said


def requeues(commands: JobCommands) -> list[list[str]]:
    return [call[1:] for call in commands.calls() if "requeue" in call]
