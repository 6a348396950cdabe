"""What a job script does when things go right and when they go wrong, run by bash for real."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.request.script_runs.conftest import (
    FAILURE,
    PLAIN,
    exit_record,
    phases,
    render,
    wait_for_phase,
)
from tests.fakes.job_commands import SUCCESS, JobCommands
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.run_folder.failures import HINTS
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths


def test_a_run_that_goes_well_leaves_its_phases_and_its_exit_record(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    done = commands.run(render(paths), base)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert phases(paths) == ["batch_start", "environment_ready", "entrypoint_start", "batch_end"]
    record = exit_record(paths)
    assert (record.job_id, record.restart, record.stage) == ("77", 0, "entrypoint")
    assert (record.exit_code, record.entrypoint_exit_code, record.signal) == (0, 0, "")
    assert paths.owner.read_text() == "77\n"
    assert [call[0] for call in commands.calls()] == ["python", "srun"]


def test_with_ray_its_phases_are_noted_too(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    done = commands.run(render(paths, SlurmConfig(nodes=2)), base)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "tmgg: Ray head on node1 at 10.0.0.1:6379\n"
    assert phases(paths) == [
        "batch_start", "environment_ready", "ray_start", "entrypoint_start", "ray_end", "batch_end",
    ]  # fmt: skip
    assert exit_record(paths).stage == "entrypoint"


def test_the_experiments_own_exit_code_is_the_jobs(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    for config in (PLAIN, SlurmConfig(nodes=2)):
        commands = JobCommands.install(tmp_path / "bin", experiment=FAILURE)
        done = commands.run(render(paths, config), base)
        assert done.returncode == 1
        assert exit_record(paths).entrypoint_exit_code == 1
        paths.owner.unlink()
        paths.ended.unlink()


_BATCH_ONLY = "PID JOBID STEPID LOCALID GLOBALID\n11       77       batch    0       0"


def test_an_srun_that_waits_for_the_controller_is_not_waited_for_when_its_step_is_over(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=f"{SUCCESS}; exec /bin/sleep 100")
    script(commands.folder / "sleep", "exec /bin/sleep 0.01")
    step = "12       77       0        0       0"
    shown = f'[ -e shown ] || printf "%s\n" "{step}"; touch shown; printf "%s\n" "{_BATCH_ONLY}"'
    script(commands.folder / "scontrol", f'printf "%s " "$@" >> asked; {shown}')
    done = commands.run(render(paths), base)
    assert done.returncode == 0
    assert exit_record(paths).entrypoint_exit_code == 0
    assert (base / "asked").read_text() == "listpids 77 " * 2


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("srun", "exit_code"), [("exit 0", 97), ("exit 5", 5)])
def test_an_srun_that_ends_without_the_experiments_exit_code_never_counts_as_success(
    base: Path, paths: SubmissionPaths, tmp_path: Path, srun: str, exit_code: int
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=srun)
    done = commands.run(render(paths, SlurmConfig(nodes=2)), base)
    assert done.returncode == exit_code
    assert f"left no exit code; srun ended with {srun[-1]}" in done.stderr
    record = exit_record(paths)
    assert (record.stage, record.entrypoint_exit_code) == ("ray", None)
    kind = diagnose_exit(record, None, "COMPLETED", LogTails(stderr=done.stderr)).kind
    assert kind == "ray_start"


def test_an_experiment_that_died_is_told_from_a_ray_that_did_not_start(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    died = SUCCESS.replace("echo 0 >", "exit 9 #")
    commands = JobCommands.install(tmp_path / "bin", experiment=died)
    done = commands.run(render(paths, SlurmConfig(nodes=2)), base)
    assert done.returncode == 9
    assert exit_record(paths).stage == "entrypoint"


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("false", 1, "false"),
        ("source /no/such/file", 1, "source /no/such/file"),
        ("no_such_command --x", 127, "no_such_command --x"),
        ("module() { eval false; return 3; }\nmodule load x", 3, "module load x"),
        ("true && (exit 4)", 4, "true && (exit 4)"),
        ("echo 'true; false' > f.sh\nsource ./f.sh", 1, "source ./f.sh"),
        ("login() { return 5; }\nlogin --token S3CRET", 5, "login --token S3CRET"),
    ],
)
def test_a_setup_command_that_fails_ends_the_job_and_is_reported_by_its_number(
    base: Path, paths: SubmissionPaths, tmp_path: Path, command: str, code: int, text: str
) -> None:
    """Not by its words, which may hold a secret; they are in the script."""
    commands = JobCommands.install(tmp_path / "bin")
    config = SlurmConfig(
        nodes=1, ray_bootstrap="none", setup_commands=("true\ntrue", command, "touch canary")
    )
    script = render(paths, config)
    done = commands.run(script, base)
    assert done.returncode == 71
    line = 1 + script.splitlines().index(text)
    place = f"number 2 of slurm_setup_commands, line {line} of {paths.folder}/job.sh"
    assert f"tmgg: setup command failed with exit code {code}: {place}\n" in done.stderr
    assert "S3CRET" not in done.stderr + done.stdout
    assert commands.calls() == []
    assert not (base / "canary").exists()
    record = exit_record(paths)
    assert (record.stage, record.exit_code, record.entrypoint_exit_code) == ("setup", 71, None)
    found = diagnose_exit(record, "71:0", "FAILED", LogTails(stderr=done.stderr))
    assert found.kind == "environment"
    assert "number 2 of slurm_setup_commands" in found.message
    assert found.hint == HINTS["environment"]


@pytest.mark.parametrize(
    "command",
    [
        "false || true",
        "[ -f /no/such ] && source /no/such",
        "if false; then :; fi",
        "! true",
        "# x",
        # A .bashrc in which something harmless fails on the way.
        "echo 'false; test -n \"\"; true' > bashrc\nsource ./bashrc",
        "echo 'false; true' > bashrc\nsource ./bashrc && true",
        "activate() { false; true; }\nactivate",
    ],
)
def test_a_setup_command_that_only_looks_like_failing_does_not_end_the_job(
    base: Path, paths: SubmissionPaths, tmp_path: Path, command: str
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    config = SlurmConfig(nodes=1, ray_bootstrap="none", setup_commands=(command,))
    assert commands.run(render(paths, config), base).returncode == 0


def test_setup_commands_run_in_one_shell_whose_variables_the_experiment_sees(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    seen = f'printf %s "$GREETING" > seen; {SUCCESS}'
    commands = JobCommands.install(tmp_path / "bin", experiment=seen)
    config = SlurmConfig(
        ray_bootstrap="none", setup_commands=("part='a b'", 'export GREETING="$part $part"')
    )
    assert commands.run(render(paths, config), base).returncode == 0
    assert (base / "seen").read_text() == "a b a b"


def test_a_missing_environment_is_found_before_anything_is_started(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", preflight=72)
    assert commands.run(render(paths), base).returncode == 72
    assert exit_record(paths).stage == "preflight"
    assert len(commands.calls()) == 1


def test_a_missing_interpreter_is_an_environment_failure(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", names=("srun",))
    config = SlurmConfig(nodes=1, ray_bootstrap="none", python="python99")
    done = commands.run(render(paths, config), base)
    assert done.returncode == 127
    record = exit_record(paths)
    assert record.stage == "preflight"
    found = diagnose_exit(record, None, "FAILED", LogTails(stderr=done.stderr))
    assert found.kind == "environment"
    assert "python99: command not found" in found.message


@pytest.mark.parametrize("config", [PLAIN, SlurmConfig(nodes=2)], ids=["plain", "ray"])
def test_a_job_that_is_asked_to_end_leaves_its_record_at_once(
    base: Path, paths: SubmissionPaths, tmp_path: Path, config: SlurmConfig
) -> None:
    slow = 'echo "entrypoint_start 1 node1" >> "$last/phases"; exec sleep 100'
    commands = JobCommands.install(tmp_path / "bin", experiment=slow)
    with commands.start(render(paths, config), base) as job:
        wait_for_phase(paths, "entrypoint_start")
        job.send_signal(signal.SIGTERM)  # Slurm signals the batch shell; its steps on their own
        assert job.wait(timeout=30) == 143
        os.killpg(job.pid, signal.SIGKILL)
        job.communicate(timeout=30)
    record = exit_record(paths)
    assert (record.signal, record.exit_code) == ("TERM", 143)
    assert record.entrypoint_exit_code is None


@pytest.mark.parametrize(
    ("sent", "exit_code"),
    [(signal.SIGUSR1, 138), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGQUIT, 131)],
)
def test_a_signal_that_ends_the_job_script_is_named_in_its_record(
    base: Path, paths: SubmissionPaths, tmp_path: Path, sent: signal.Signals, exit_code: int
) -> None:
    slow = 'echo "entrypoint_start 1 node1" >> "$last/phases"; exec sleep 100'
    commands = JobCommands.install(tmp_path / "bin", experiment=slow)
    with commands.start(render(paths), base) as job:
        wait_for_phase(paths, "entrypoint_start")
        job.send_signal(sent)  # as scancel --signal --batch does
        assert job.wait(timeout=30) == exit_code
        os.killpg(job.pid, signal.SIGKILL)
        job.communicate(timeout=30)
    record = exit_record(paths)
    assert (record.signal, record.exit_code) == (sent.name.removeprefix("SIG"), exit_code)
    assert record.entrypoint_exit_code is None


def test_only_the_script_itself_notes_its_end(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    """Bash has a child run its parent's traps that is signalled right after the fork."""
    at_once = tmp_path / "at_once"
    at_once.write_text("at_once() { return 7; }\n")
    text = render(paths).replace('wait "$1"', 'at_once "$1"')
    commands = JobCommands.install(tmp_path / "bin", experiment="exit 7")
    for _ in range(8):
        done = commands.run(text, base, BASH_ENV=str(at_once))
        assert "cannot" not in done.stderr
        assert paths.phases.read_text().count("batch_end") == 1
        record = exit_record(paths)
        assert (record.signal, record.exit_code, done.returncode) == ("", 7, 7)


def test_the_record_is_whole_where_bash_is_older_than_5(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    """EPOCHREALTIME came with bash 5.0; RHEL 8 has 4.4."""
    commands = JobCommands.install(tmp_path / "bin")
    older = tmp_path / "older"
    older.write_text("unset EPOCHREALTIME\n")
    done = commands.run(render(paths), base, BASH_ENV=str(older))
    assert (done.returncode, done.stderr) == (0, "")
    assert exit_record(paths).entrypoint_exit_code == 0
    first, second, third = paths.phases.read_text().splitlines()[0].split()
    assert (first, third) == ("batch_start", "node1")
    assert abs(float(second) - time.time()) < 60


def test_a_folder_that_cannot_be_written_ends_the_job_with_the_reason(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    script = render(paths)
    for file in (paths.script, paths.intent):
        file.unlink()
    paths.folder.rmdir()
    done = commands.run(script, base)
    assert done.returncode == 74
    assert f"tmgg: cannot write to {paths.folder}" in done.stderr
    assert commands.calls() == []
    found = diagnose_exit(None, "74:0", "FAILED", LogTails(stderr=done.stderr))
    assert found.kind == "environment"


def test_an_exit_record_that_cannot_be_written_does_not_change_the_outcome(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    paths.run_paths.ended_folder.rmdir()
    done = commands.run(render(paths), base)
    assert done.returncode == 0
    assert not paths.ended.exists()


def test_what_proved_the_submitter_to_slurm_does_not_reach_the_experiment(
    base: Path, paths: SubmissionPaths, tmp_path: Path
) -> None:
    """Some releases of sbatch hand on SLURM_JWT; the job's node has proofs of its own."""
    says = f'env > "$last/seen"; {SUCCESS}'
    commands = JobCommands.install(tmp_path / "bin", experiment=says)
    names = ("SLURM_JWT", "SLURM_SACK_JWKS", "SLURM_SACK_KEY", "SLURM_SACK_SOCKET")
    commands.run(render(paths), base, **dict.fromkeys(names, "secret"))
    seen = (paths.folder / "seen").read_text()
    assert "SLURM_JOB_ID=77" in seen
    assert "secret" not in seen
