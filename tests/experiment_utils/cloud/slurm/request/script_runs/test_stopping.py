"""What a job script does when Slurm tells it of an end to come: by bash for real."""

import signal
import time
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.request.script_runs.conftest import (
    HEEDS,
    PATIENCE_S,
    exit_record,
    make_submission,
    render,
    requeues,
    run_to_time_limit,
    wait_for_phase,
)
from tests.fakes.job_commands import JobCommands
from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.script import Interpreter, render_array_script
from tmgg.experiment_utils.job.job_exit_codes import STOPPED
from tmgg.experiment_utils.run_folder.failures import HINTS
from tmgg.experiment_utils.run_folder.paths import BatchPaths, SubmissionPaths

CONFIGS = {
    "plain": SlurmConfig(nodes=1, ray_bootstrap="none", max_restarts=3),
    "symmetric-run": SlurmConfig(nodes=2, max_restarts=3),
}
# As Slurm does: the job that is put back into the queue gets SIGTERM.
REQUEUES = "until [ -s batch.pid ]; do sleep 0.01; done; kill -TERM $(cat batch.pid)"


@pytest.fixture
def paths(tmp_path: Path) -> SubmissionPaths:
    return make_submission(tmp_path / "work")


def run(
    paths: SubmissionPaths,
    commands: JobCommands,
    *,
    kind: str = "plain",
    signalled: bool = True,
    restart: str = "0",
) -> tuple[int, str]:
    """See `run_to_time_limit`, of the script of CONFIGS[kind]."""
    script = render(paths, CONFIGS[kind])
    return run_to_time_limit(
        paths, commands, script, signalled=signalled, SLURM_RESTART_COUNT=restart
    )


def test_a_start_that_a_later_one_has_taken_over_from_asks_for_no_end_and_no_requeue(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    goes_on = f"""
        echo "entrypoint_start 1 node1" >> "$last/phases"
        echo 1 > "$last/restart"
        for _ in $(seq 1000); do [ -s asked ] && break; sleep 0.01; done
        echo {STOPPED} > "$last/entrypoint_exit_code"
        exit {STOPPED}"""
    commands = JobCommands.install(tmp_path / "bin", experiment=goes_on, requeue=REQUEUES)
    base = paths.run_paths.output_dir.parent
    with commands.start(render(paths), base) as job:
        deadline = time.monotonic() + PATIENCE_S
        while not (paths.restart.exists() and paths.restart.read_text() == "1\n"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        job.send_signal(signal.SIGUSR2)
        for line in job.stderr or ():
            if "asked to save its state" in line:
                break
        (base / "asked").write_text("1")
        job.communicate(timeout=PATIENCE_S)
    assert not paths.stop.exists()
    assert not paths.ended.exists()
    assert requeues(commands) == []


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_ahead_of_its_time_limit_the_experiment_is_asked_to_save_and_the_job_goes_back(
    paths: SubmissionPaths, tmp_path: Path, kind: str
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=HEEDS, requeue=REQUEUES)
    code, said = run(paths, commands, kind=kind)
    assert (paths.folder / "seen").read_text() == "time_limit\n"
    assert "asked to save its state and end (time_limit)" in said
    assert requeues(commands) == [["requeue", "77"]]
    record = exit_record(paths)
    assert (code, record.signal, record.entrypoint_exit_code) == (143, "TERM", 85)


def signal_while_claiming(tmp_path: Path) -> None:
    """Have Slurm's early signal arrive while the job makes the submission its own."""
    link = tmp_path / "bin" / "ln"
    link.write_text('#!/bin/sh\nkill -USR2 $PPID\nexec /bin/ln "$@"\n')
    link.chmod(0o755)


@pytest.mark.parametrize("restart", ["0", "1"])
def test_a_signal_that_comes_during_the_claim_is_not_forgotten(
    paths: SubmissionPaths, tmp_path: Path, restart: str
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=HEEDS, requeue=REQUEUES)
    signal_while_claiming(tmp_path)
    (paths.folder / "stop").write_text("of an earlier start\n")
    run(paths, commands, signalled=False, restart=restart)
    assert (paths.folder / "seen").read_text() == "time_limit\n"
    assert requeues(commands) == [["requeue", "77"]]


def test_a_job_that_is_not_needed_stops_no_other(paths: SubmissionPaths, tmp_path: Path) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    signal_while_claiming(tmp_path)
    (paths.folder / "owner").write_text("76\n")
    done = commands.run(render(paths, CONFIGS["plain"]), paths.run_paths.output_dir.parent)
    assert done.stdout == "tmgg: job 77 is not needed, this submission belongs to 76\n"
    assert not (paths.folder / "stop").exists()


def test_an_element_of_an_array_asks_for_itself_alone(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    output_dir = paths.run_paths.output_dir
    batch = BatchPaths(output_dir, "sweep.1")
    batch.folder.mkdir(parents=True)
    (batch.folder / "runs").write_text("run/1 x\n")
    config, base = CONFIGS["plain"], output_dir.parent
    script = render_array_script(config, batch, array="0-0", base=base, interpreter=Interpreter())
    commands = JobCommands.install(tmp_path / "bin", experiment=HEEDS, requeue=REQUEUES)
    # Slurm gives one of the elements the id of the array for its own.
    element = {"SLURM_JOB_ID": "77", "SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": "0"}
    with commands.start(script, base, **element) as job:
        (base / "batch.pid").write_text(str(job.pid))
        wait_for_phase(paths, "entrypoint_start")
        job.send_signal(signal.SIGUSR2)
        job.communicate(timeout=PATIENCE_S)
    assert requeues(commands) == [["requeue", "77_0"]]
    asked = [call[-1] for call in commands.calls() if "show" in call]
    assert asked == ["77_0", "77_0"]


def test_a_preemption_that_is_announced_is_told_from_a_time_limit(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    job = "JobState=RUNNING PreemptTime=2026-11-28T01:00:00"
    slow = HEEDS.replace('[ -s "$last/stop" ]', 'grep -qs preemption "$last/stop"')
    commands = JobCommands.install(tmp_path / "bin", experiment=slow, requeue=REQUEUES, job=job)
    run(paths, commands)
    assert (paths.folder / "seen").read_text() == "preemption\n"
    assert requeues(commands)


def test_a_job_that_cannot_go_back_leaves_a_record_that_is_no_end_by_itself(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=HEEDS)
    code, _said = run(paths, commands)
    record = exit_record(paths)
    assert (code, record.signal, record.exit_code) == (85, "USR2", 85)
    assert record.entrypoint_exit_code == 85


@pytest.mark.parametrize(("restarts", "requeued"), [(0, True), (1, False)])
def test_a_job_that_the_experiment_has_requeued_is_not_requeued_again(
    paths: SubmissionPaths, tmp_path: Path, restarts: int, requeued: bool
) -> None:
    heeds = HEEDS if requeued else HEEDS.replace("exit 85", f"({REQUEUES}) & exit 85")
    job = f"JobState=RUNNING Restarts={restarts} PreemptTime=None"
    commands = JobCommands.install(tmp_path / "bin", experiment=heeds, requeue=REQUEUES, job=job)
    run(paths, commands)
    assert bool(requeues(commands)) is requeued
    assert exit_record(paths).entrypoint_exit_code == 85


def test_a_job_without_scontrol_does_not_fail_for_it(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    names = ("srun", "python")
    commands = JobCommands.install(tmp_path / "bin", experiment=HEEDS, names=names)
    code, _said = run(paths, commands)
    assert (code, exit_record(paths).signal) == (85, "USR2")


def test_an_experiment_stopped_by_hand_stays_ended(paths: SubmissionPaths, tmp_path: Path) -> None:
    at_once = HEEDS.replace('"$last/stop" ]', '"$last/phases" ]').replace("cp ", ": ")
    commands = JobCommands.install(tmp_path / "bin", experiment=at_once, requeue=REQUEUES)
    code, _said = run(paths, commands, signalled=False)
    assert requeues(commands) == []
    assert (code, exit_record(paths).signal) == (85, "")


def test_the_last_restart_stays_ended(paths: SubmissionPaths, tmp_path: Path) -> None:
    commands = JobCommands.install(tmp_path / "bin", experiment=HEEDS, requeue=REQUEUES)
    code, said = run(paths, commands, restart="3")
    assert requeues(commands) == []
    assert "no restart left (slurm_max_restarts, slurm_requeue)" in said
    assert (code, exit_record(paths).signal) == (85, "")


def test_a_job_that_slurm_starts_too_often_ends_before_it_does_anything(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    commands = JobCommands.install(tmp_path / "bin")
    script = render(paths, CONFIGS["plain"])
    base = paths.run_paths.output_dir.parent
    done = commands.run(script, base, SLURM_RESTART_COUNT="4")
    assert (done.returncode, commands.calls()) == (76, [])
    record = exit_record(paths)
    found = diagnose_exit(record, "76:0", "FAILED", LogTails(stderr=done.stderr))
    assert (record.stage, found.kind) == ("restart", "preempted")
    assert "restarted 4 times" in found.message
    assert found.hint == HINTS["restarts"]


def test_an_experiment_that_does_not_heed_the_signal_runs_to_its_end(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    ends_well = HEEDS.replace(str(STOPPED), "0")
    commands = JobCommands.install(tmp_path / "bin", experiment=ends_well, requeue=REQUEUES)
    code, _said = run(paths, commands)
    assert requeues(commands) == []
    record = exit_record(paths)
    assert (code, record.signal, record.entrypoint_exit_code) == (0, "", 0)


def test_an_experiment_that_dies_after_the_signal_keeps_its_exit_code(
    paths: SubmissionPaths, tmp_path: Path
) -> None:
    dies = HEEDS.replace(f"echo {STOPPED}", "kill -KILL $$; echo 0")
    commands = JobCommands.install(tmp_path / "bin", experiment=dies)
    code, said = run(paths, commands)
    assert code == 137
    assert "srun ended with 137" in said
