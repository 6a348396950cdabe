"""How one node's Ray is started and tried again, with a stand-in for `ray start`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tmgg.experiment_utils.job.job_exit_codes import NO_RAY
from tmgg.experiment_utils.ray_cluster import local_ray

PROJECT = Path(__file__).parents[3]
TRIAL = "tests.experiment_utils.ray_cluster.local_ray_trial"


def reports(folder: Path, attempts: str, *more: str) -> list[str]:
    """What is reported when the attempts go as they are told to (fake_starter.py)."""
    shutil.copy(shutil.which("sleep") or "/bin/sleep", folder / "raylet")
    done = subprocess.run(
        [sys.executable, "-m", TRIAL, str(folder), attempts, *more],
        env=os.environ | {"PYTHONPATH": f"{PROJECT}:{PROJECT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    said: list[str] = json.loads(done.stdout)
    return said


def ports_of_attempts(folder: Path) -> list[str]:
    orders = [json.loads(path.read_text()) for path in sorted(folder.glob("order*"))]
    return [next(word for word in order if word.startswith("--port=")) for order in orders]


@pytest.mark.parametrize("how", ["up", "quiet"])
def test_it_is_up_when_it_says_so_or_ends_well(tmp_path: Path, how: str) -> None:
    assert reports(tmp_path, how) == ["up"]


def test_a_failed_start_is_tried_again_on_other_ports(tmp_path: Path) -> None:
    first, second, last = reports(tmp_path, "1 1 up")
    assert "exit code 1); trying other ports:\nattempt 0 failed" in first
    assert "attempt 1 failed" in second
    assert last == "up"
    assert len(set(ports_of_attempts(tmp_path))) == 3


def test_it_is_given_up_in_the_end(tmp_path: Path) -> None:
    assert reports(tmp_path, "1 1 1")[-1] == "failed, no_ray=False: attempt 2 failed"
    assert len(ports_of_attempts(tmp_path)) == local_ray.ATTEMPTS


def test_an_environment_without_ray_is_not_tried_twice(tmp_path: Path) -> None:
    assert reports(tmp_path, f"-{NO_RAY}") == ["failed, no_ray=True: cannot import"]


def test_a_ray_that_cannot_be_imported_never_becomes_a_head_by_mistake(tmp_path: Path) -> None:
    assert reports(tmp_path, "-3") == ["failed, no_ray=False: cannot import"]
    assert not ports_of_attempts(tmp_path)


def test_the_end_of_the_raylet_is_noticed(tmp_path: Path) -> None:
    said = reports(tmp_path, "up", "kill-raylet")
    assert said == ["up", "lost: Ray's raylet was killed by signal 9"]
