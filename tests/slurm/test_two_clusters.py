"""Two real clusters that share a folder: each knows its own runs, and leaves the other's alone."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from slurm_cluster import Cluster, ClusterOptions
from slurm_cluster.users import find_user
from tests.slurm.login import PROJECT, Login
from tests.slurm.trial import Trial, config

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class SharedLogin(Login):
    """In a folder of the host, which the machines of all clusters see."""

    @property
    def host_folder(self) -> Path:
        return Path(self.folder)


@pytest.fixture
def second(cluster: Cluster) -> Iterator[Cluster]:
    """Another cluster with another name, whose job ids are those of the first again."""
    options = ClusterOptions(
        name=f"{cluster.options.name[:16]}-two", nodes=1, cluster_name="second", accounting=False
    )
    other = Cluster(options)
    other.up(expose=[PROJECT, Path(sys.prefix), Path(sys.base_prefix)])
    yield other
    other.down(purge=True)


@pytest.fixture
def trials(cluster: Cluster, second: Cluster) -> Iterator[tuple[Trial, Trial]]:
    """Alice at both login nodes, in one folder."""
    folder = Path(tempfile.mkdtemp(prefix="tmgg-two-", dir="/srv"))
    alice = find_user("alice").uid
    os.chown(folder, alice, alice)
    logins = [SharedLogin(each, "alice", PurePosixPath(folder)) for each in (cluster, second)]
    yield Trial(logins[0]), Trial(logins[1])
    for login in logins:
        login.cancel_all()
    shutil.rmtree(folder)


def listed(trial: Trial) -> dict[str, dict[str, Any]]:
    found = trial.login.run("tmgg-jobs", "list", "--all", "--json", check=False).stdout
    return {run["run_id"]: run for run in json.loads(found)["runs"]}


@pytest.mark.timeout(580)
def test_a_run_of_the_other_cluster_is_reported_as_such_and_never_touched(
    trials: tuple[Trial, Trial],
) -> None:
    here, there = trials
    own = [here.held(), there.held()]
    for trial, run_id, foreign in ((here, own[0], own[1]), (there, own[1], own[0])):
        told = listed(trial)
        assert (told[run_id]["status"], told[run_id]["answered"]) == ("running", True)
        assert (told[foreign]["final"], told[foreign]["answered"]) == (False, False)
        assert "cluster" in told[foreign]["note"]
        for command in (["cancel", foreign], ["retry", foreign]):
            refused = trial.login.run("tmgg-jobs", *command, check=False)
            assert refused.returncode != 0
        waited = trial.login.run("tmgg-jobs", "wait", foreign, "--timeout", "3s", check=False)
        assert waited.returncode == 124
        trial.login.run("tmgg-jobs", "gc", "--older-than", "1s", "--yes")
    # Neither was ended, started again, or removed.
    for trial, run_id in zip(trials, own, strict=True):
        assert trial.slurm_state(trial.job_id(run_id)) == "RUNNING"
        assert len(trial.starts(run_id)) == 1
    # What one cluster's user ends there is told everywhere, once that cluster was asked.
    lost = there.held()
    there.login.run("scancel", there.job_id(lost))
    there.wait_for_slurm(there.job_id(lost), "CANCELLED")
    there.files(lost).ended.unlink(missing_ok=True)
    assert not listed(here)[lost]["final"]
    assert listed(there)[lost]["failure"]["kind"] == "cancelled"
    assert listed(here)[lost]["status"] == "failed"
    # The files of a run tell its end on both.
    here.go()
    for trial, run_id in zip(trials, own, strict=True):
        assert trial.result(run_id)["status"] == "completed"
    assert {listed(trial)[run_id]["status"] for trial in trials for run_id in own} == {"completed"}


@pytest.mark.timeout(580)
def test_each_login_node_cancels_retries_and_waits_for_its_own(trials: tuple[Trial, Trial]) -> None:
    own = [trial.held() for trial in trials]
    for trial, run_id, other, foreign in zip(trials, own, trials[::-1], own[::-1], strict=True):
        untouched = other.starts(foreign)
        trial.login.run("tmgg-jobs", "cancel", run_id)
        trial.login.run("tmgg-jobs", "wait", run_id, check=False)  # its job ends in a second or two
        assert listed(trial)[run_id]["failure"]["kind"] == "cancelled"
        newest = untouched[-1].split()[2]
        assert other.slurm_state(newest) == "RUNNING"
        trial.login.run("tmgg-jobs", "retry", run_id)
        trial.wait_for_starts(run_id, 2)
        assert other.starts(foreign) == untouched
    trials[0].go()
    for trial, run_id in zip(trials, own, strict=True):
        trial.login.run("tmgg-jobs", "wait", run_id)
        assert listed(trial)[run_id]["status"] == "completed"


@pytest.mark.timeout(580)
def test_a_resume_on_the_other_cluster_runs_nothing_twice(trials: tuple[Trial, Trial]) -> None:
    here, there = trials
    configs = [config("hold", value=float(value)) for value in (1, 2)]
    sweep = there.call("spawn_sweep", configs=configs, options={"mode": "separate"})
    assert sweep.error is None, sweep.message
    run_ids = sweep.answer["run_ids"]
    for run_id in run_ids:
        there.wait_for_starts(run_id, 1)
    again = here.call("spawn_sweep", configs=configs, options={"mode": "separate", "resume": True})
    assert again.error is None, again.message
    assert again.answer["run_ids"] == run_ids
    assert here.jobs() == []
    there.go()
    for run_id in run_ids:
        assert here.result(run_id)["status"] == "completed"
        assert len(here.starts(run_id)) == 1
