"""Runs that others end: cancelled, killed by Slurm or out of its sight."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import PLAIN, paths_of, spawn, until
from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud import SlurmRunner
from tmgg.experiment_utils.cloud.runs_on_record import waiting
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.exit_record import End, leave_exit_record
from tmgg.experiment_utils.run_folder.ownership import claim


def test_a_pending_run_is_cancelled_and_never_begins(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    job_id = spawn(runner, "slow")
    assert runner.cancel("run") is True
    assert slurm.only_job["state"] == "CANCELLED"
    (state,) = runner.poll(["run"])
    assert (state.status, state.final) == ("failed", True)
    assert state.failure is not None
    assert state.failure.kind == "cancelled"
    assert runner.cancel("run") is False
    assert job_id in slurm.calls("scancel")[0].argv
    assert len(slurm.calls("scancel")) == 1
    assert not (folder / "begun").exists()


def test_a_running_run_is_cancelled_with_all_its_processes(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    job_id = spawn(runner, "slow")
    slurm.run(job_id)
    until(lambda: (folder / "begun").exists())
    leader = slurm.only_job["pid"]
    assert runner.get_status("run") == "running"
    assert runner.cancel("run") is True
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "cancelled"
    until(lambda: not group_exists(leader))


def group_exists(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_controller_that_is_down_cannot_cancel_but_the_job_will_not_begin(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner, "slow")
    slurm.configure(controller="down")
    with pytest.raises(QueryError, match="Unable to contact slurm controller"):
        runner.cancel("run")
    slurm.repair()
    slurm.run(job_id)
    slurm.wait_for(job_id, "COMPLETED")
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "cancelled"


def test_a_job_killed_without_a_word_is_known_by_its_state(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    job_id = spawn(runner, "slow")
    slurm.run(job_id)
    until(lambda: (folder / "begun").exists())
    slurm.change_job(job_id, state="TIMEOUT", reason="TimeLimit")
    slurm.signal_job(job_id, signal.SIGKILL)
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "timeout"
    assert "TIMEOUT (TimeLimit)" in result.failure.message


def test_failed_queries_do_not_reset_the_wait_for_a_lost_job(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    spawn(runner)
    slurm.configure(jobs={})
    runner.poll(["run"])
    missing = paths_of(runner).missing
    noted = missing.read_text()
    slurm.configure(controller="down", accounting="down")
    (state,) = runner.poll(["run"])
    assert (state.answered, state.final) == (False, False)
    assert missing.read_text() == noted
    slurm.repair()
    write_json(missing, {"version": 1, "since": time.time() - 61})
    (state,) = runner.poll(["run"])
    assert state.failure is not None
    assert state.failure.kind == "lost"


def test_a_job_that_comes_back_is_no_longer_missing(runner: SlurmRunner, slurm: FakeSlurm) -> None:
    job_id = spawn(runner)
    slurm.forget(job_id)
    slurm.change_job(job_id, in_accounts=False)
    runner.poll(["run"])
    assert paths_of(runner).missing.exists()
    slurm.change_job(job_id, in_queue=True, state="RUNNING")
    assert runner.get_status("run") == "running"
    assert not paths_of(runner).missing.exists()


def test_waiting_survives_a_controller_that_is_away(
    slurm: FakeSlurm, folder: Path, clock: FakeClock
) -> None:
    runner = SlurmRunner(PLAIN, clock=clock)
    job_id = spawn(runner)
    slurm.configure(controller="down", accounting="down")
    clock.after(200, slurm.repair)
    clock.after(300, lambda: slurm.change_job(job_id, state="CANCELLED", in_queue=False))
    (state,) = waiting.wait(runner.runs, ["run"], clock=clock)
    assert state.failure is not None
    assert state.failure.kind == "cancelled"


def begin(runner: SlurmRunner, slurm: FakeSlurm, job_id: str) -> None:
    slurm.change_job(job_id, state="RUNNING")
    claim(paths_of(runner), job_id)


def leave_old_end(runner: SlurmRunner, job_id: str) -> None:
    """The job script's own record of its end, older than any grace."""
    leave_exit_record(paths_of(runner), End(job_id=job_id, exit_code=9))
    long_ago = time.time() - 1000
    os.utime(paths_of(runner).ended, (long_ago, long_ago))


def test_a_job_that_was_seen_in_the_queue_again_has_not_ended_when_slurm_falls_silent(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner)
    begin(runner, slurm, job_id)
    leave_old_end(runner, job_id)
    slurm.change_job(job_id, state="PENDING", restarts=1)
    assert runner.get_status("run") == "pending"
    slurm.configure(controller="down", accounting="down")
    for _look in range(2):
        (state,) = runner.poll(["run"])
        assert (state.final, state.answered, state.attempt) == (False, False, 2)


def test_a_job_that_ended_by_itself_has_ended_also_when_slurm_stays_silent(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    job_id = spawn(runner)
    begin(runner, slurm, job_id)
    assert runner.get_status("run") == "running"
    leave_old_end(runner, job_id)
    slurm.configure(controller="down", accounting="down")
    (state,) = runner.poll(["run"])
    assert state.failure is not None
    assert state.failure.kind == "user_error"


@pytest.mark.parametrize("accounting", ["no command", "refuses"])
def test_without_accounts_one_lost_job_ends_no_sweep(
    runner: SlurmRunner, slurm: FakeSlurm, accounting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "sacct: error: Problem talking to the database: Access/permission denied"
    slurm.break_command("sacct", times=None, stdout="", stderr=words, exit_code=1)
    lost, other = spawn(runner), spawn(runner, run_id="other")
    slurm.forget(lost)
    slurm.run(other)
    slurm.wait_for(other, "COMPLETED")
    if accounting == "no command":
        (slurm.bin_folder / "sacct").unlink()
        monkeypatch.setenv("PATH", str(slurm.bin_folder))
    assert [state.status for state in runner.poll(["run", "other"])] == ["pending", "completed"]
    write_json(paths_of(runner).missing, {"version": 1, "since": time.time() - 61})
    result = runner.get_result("run")
    assert result.failure is not None
    assert result.failure.kind == "lost"
