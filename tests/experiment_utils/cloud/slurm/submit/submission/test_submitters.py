"""Exactly one job per submission, whatever happens to the submitter."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.submit.submission.conftest import paths_of
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.files.leases import LEASE_S
from tmgg.experiment_utils.run_folder.ownership import is_forbidden
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import load_intent

KILLED = """
import os, signal, sys
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
class Killed(SlurmClient):
    def submit(self, *arguments, **options):
        if sys.argv[1] == "after":
            super().submit(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
runner = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none"), client=Killed())
runner.spawn_experiment({"experiment": {"_target_": "lab:run"}}, run_id="run")
"""


def kill_submitter(when: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, when], timeout=150, check=False)
    assert killed.returncode == -signal.SIGKILL


def age(paths: SubmissionPaths, seconds: float, **values: object) -> None:
    """Let the intent be older, or another's."""
    intent = json.loads(paths.intent.read_text())
    renewed_at = time.time() - seconds
    paths.intent.write_text(json.dumps(intent | {"created_at": renewed_at, **values}))
    os.utime(paths.intent, (renewed_at, renewed_at))


def test_killed_after_sbatch_the_job_is_adopted_by_whoever_asks(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    kill_submitter("after")
    paths = paths_of(runner)
    assert not paths.job.exists()
    assert runner.get_status("run") == "pending"
    assert runner.poll(["run"])[0].job_id == slurm.only_job["id"]
    assert json.loads(paths.job.read_text())["job_id"] == slurm.only_job["id"]


def test_killed_before_sbatch_the_run_is_a_failed_submission_that_can_be_retried(
    runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    kill_submitter("before")
    assert runner.get_status("run") == "pending"  # it died just now: nobody hurries
    age(paths_of(runner), 11)
    (state,) = runner.poll(["run"])
    assert (state.status, state.final) == ("failed", True)
    assert state.failure is not None
    assert state.failure.kind == "submission"
    assert "tmgg-jobs retry run" in state.failure.message
    assert is_forbidden(paths_of(runner))
    assert slurm.jobs == {}

    again = runner.retry("run")
    assert slurm.only_job["id"] == again.job_id
    assert runner.get_status("run") == "pending"
    assert runner.poll(["run"])[0].attempt == 2


@pytest.mark.parametrize(
    ("values", "still_open_s", "over_s"),
    [
        # This very process lives, but does not renew it.
        ({}, LEASE_S - 2, LEASE_S + 1),
        ({"host": "another", "pid": 2**22 + 1}, LEASE_S - 2, LEASE_S + 1),
        ({"scope": "of a container", "pid": 2**22 + 1}, LEASE_S - 2, LEASE_S + 1),
        ({"scope": "", "pid": 2**22 + 1}, LEASE_S - 2, LEASE_S + 1),
        ({"pid": 2**22 + 1}, 9, 11),
        ({"process_start": "1"}, 9, 11),
        ({"process_start": ""}, LEASE_S - 2, LEASE_S + 1),
    ],
)
def test_a_submission_without_a_job_is_given_up_when_its_submitter_cannot_be_at_work(
    paths: SubmissionPaths,
    runner: SlurmRunner,
    slurm: FakeSlurm,
    values: dict[str, object],
    still_open_s: float,
    over_s: float,
) -> None:
    age(paths, still_open_s, **values)
    assert runner.poll(["run"])[0].status == "pending"
    age(paths, over_s, **values)
    (state,) = runner.poll(["run"])
    assert (state.status, state.final) == ("failed", True)


def test_a_submission_is_not_given_up_while_slurm_does_not_answer(
    paths: SubmissionPaths, runner: SlurmRunner, slurm: FakeSlurm
) -> None:
    age(paths, 1e6, pid=2**22 + 1)
    slurm.configure(controller="down")
    assert runner.get_status("run") == "pending"


def test_two_submitters_of_one_run_id_leave_one_job(
    runner: SlurmRunner, slurm: FakeSlurm, folder: Path
) -> None:
    code = KILLED.replace("client=Killed()", "").replace('"run"})', '"run"})')
    racers = [
        subprocess.Popen([sys.executable, "-c", code, ""], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outcomes = []
    for racer in racers:
        with racer:
            _out, error = racer.communicate(timeout=150)
        outcomes.append((racer.returncode, "RunExistsError" in error))
    assert sorted(outcomes) == [(0, False), (1, True), (1, True)]
    assert len(slurm.jobs) == 1


def test_this_machine_is_the_one_in_the_intent(paths: SubmissionPaths) -> None:
    intent = load_intent(paths)
    assert (intent.host, intent.pid) == (socket.gethostname(), os.getpid())
    assert intent.submitter_alive()


def test_a_zombie_is_no_living_submitter(paths: SubmissionPaths) -> None:
    code = """
import json, sys
from tmgg.experiment_utils.run_folder.registry import new_intent
print(json.dumps(new_intent().to_json()), flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        paths.intent.write_text(process.stdout.read())
        _until(lambda: "Z" in Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2])
        assert not load_intent(paths).submitter_alive()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
