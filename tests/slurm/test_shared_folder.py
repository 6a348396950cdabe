"""Two users in one output folder on the real cluster: each is told of her own runs only."""

import json
import secrets

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import Login
from tests.slurm.trial import Trial


@pytest.fixture
def common(cluster: Cluster) -> str:
    """A folder of root's that all can write, sticky as a team's is."""
    folder = f"/shared/scratch/common-{secrets.token_hex(3)}"
    cluster.run(["mkdir", "-m", "3777", folder], user="root", check=True)
    return folder


def test_each_of_two_users_runs_and_neither_trusts_the_other(
    common: str, alice: Login, bob: Login
) -> None:
    trials = [Trial(alice), Trial(bob)]
    for trial in trials:
        trial.settings |= {"output_dir": common}
    run_ids = [trial.spawn(value=7.0) for trial in trials]
    for trial, run_id in zip(trials, run_ids, strict=True):
        result = trial.result(run_id)
        assert (result["status"], result["metrics"]["value"]) == ("completed", 7.0)
    # A record that bob opens to all, and that asks for commands to be run by who retries it.
    bob.run("chmod", "-R", "a+rX", f"{common}/{run_ids[1]}")
    listed = alice.run("tmgg-jobs", "list", "--all", "--json", "--folder", common).stdout
    told = {run["run_id"]: run for run in json.loads(listed)["runs"]}
    assert told[run_ids[0]]["status"] == "completed"
    assert told[run_ids[1]]["status"] == "foreign"
    assert "belongs to bob" in told[run_ids[1]]["problem"]
    retried = alice.run("tmgg-jobs", "retry", run_ids[1], "--folder", common, check=False)
    assert retried.returncode != 0
    assert "belongs to bob" in retried.stderr


def test_an_open_folder_is_refused_before_anything_is_submitted(alice: Login) -> None:
    alice.run("mkdir", "-m", "777", "open")
    trial = Trial(alice)
    trial.settings |= {"output_dir": "open"}
    reply = trial.call("spawn", "r1", config={"experiment": {"_target_": "trials:quick"}})
    assert reply.error == "ConfigError"
    assert "everybody can write there" in reply.message
    assert not trial.jobs()
    assert not list((alice.host_folder / "open").iterdir())


def test_a_member_who_shares_her_records_is_read_by_the_team_and_nobody_else_is(
    cluster: Cluster, alice: Login, bob: Login
) -> None:
    """Alice shares, bob does not. Both trust the team."""
    folder = f"/shared/scratch/team-{secrets.token_hex(3)}"
    cluster.run(["mkdir", "-m", "3777", folder], user="root", check=True)
    team = {"TMGG_TEAM": "alice bob"}
    trials = [Trial(alice), Trial(bob)]
    for trial in trials:
        trial.settings |= {"output_dir": folder}
    refused = trials[0].call("spawn", "r1", config=CONFIG, env=team | {"TMGG_RECORDS": "team"})
    assert refused.error == "ConfigError"
    assert "TMGG_RECORDS=team is not possible" in refused.message
    # A group that both are in: alice's own, into which bob is taken.
    for machine in ("ctl", "login", *cluster.options.node_names):
        cluster.run(["usermod", "-aG", "alice", "bob"], user="root", machine=machine, check=True)
    cluster.run(["chgrp", "alice", folder], user="root", check=True)
    cluster.run(["chmod", "3777", folder], user="root", check=True)
    shared = trials[0].call("spawn", "shared", config=CONFIG, env=team | {"TMGG_RECORDS": "team"})
    assert shared.error is None, shared.message
    closed = trials[1].call("spawn", "closed", config=CONFIG, env=team)
    assert closed.error is None, closed.message
    for trial, run_id in zip(trials, ("shared", "closed"), strict=True):
        assert trial.result(run_id)["status"] == "completed"
    # bob reads alice's run as far as its records go, and cannot touch it.
    where = ["--folder", folder]
    listed = bob.run("tmgg-jobs", "list", "--all", "--json", *where, env=team)
    told = {run["run_id"]: run for run in json.loads(listed.stdout)["runs"]}
    assert (told["shared"]["status"], told["closed"]["status"]) == ("completed", "completed")
    shown = bob.run("tmgg-jobs", "show", "shared", "--json", *where, env=team)
    assert json.loads(shown.stdout)["result"]["metrics"]["value"] == 1.0
    assert bob.run("tmgg-jobs", "wait", "shared", *where, env=team).returncode == 0
    assert bob.run("cat", f"{folder}/shared/task.json", check=False).returncode != 0
    kept = bob.run(
        "tmgg-jobs", "gc", "--older-than", "1s", "--dry-run", *where, env=team, check=False
    )
    assert f"{folder}/shared" not in kept.stdout
    assert f"{folder}/closed" in kept.stdout
    # alice is told that bob's is closed to her.
    listed = alice.run("tmgg-jobs", "list", "--all", *where, env=team)
    assert "closed" not in listed.stdout
    assert "has runs that are closed to you: 1 of bob" in listed.stderr
    denied = alice.run("tmgg-jobs", "show", "closed", *where, env=team, check=False)
    assert denied.returncode != 0
    assert "1 of bob" in denied.stderr


CONFIG = {"experiment": {"_target_": "trials:quick"}}
