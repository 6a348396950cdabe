"""Kinds of failures, each with a real job that fails so: its kind and its hint.

Out of memory, the time limit and a damaged result line have files of their own.
"""

from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.trial import Trial, within

RAY = {"ray_bootstrap": "symmetric-run", "exclusive": True}


def test_a_job_that_waits_says_why_and_when_it_may_start(trial: Trial) -> None:
    every_node = ["--nodes=4", "--exclusive", "--time=7", "--output=/dev/null"]
    blocker = trial.login.run("sbatch", "--parsable", *every_node, "--wrap", "sleep 300").stdout
    trial.wait_for_slurm(blocker.strip(), "RUNNING")
    run_id = trial.spawn()
    state: dict[str, Any] = {}

    def has_estimate() -> bool:
        state.update(trial.state(run_id))
        return state["estimated_start"] is not None

    with within(40):
        trial.wait_until(has_estimate, "Slurm's estimate")
    assert (state["status"], state["backend_state"]) == ("pending", "PENDING")
    assert state["reason"] in ("Resources", "Priority")
    assert state["estimated_start"].startswith("20")


def test_a_job_that_can_never_start_says_why(trial: Trial, cluster: Cluster) -> None:
    node = ["scontrol", "update", "nodename=node4"]
    cluster.run([*node, "state=drain", "reason=maintenance"], user="root", check=True)
    try:
        run_id = trial.spawn(slurm={"nodelist": "node4"})
        with within(15):
            state = trial.wait_for_state(run_id, status="pending")
        assert "ReqNodeNotAvail" in state["reason"] or "Nodes required" in state["reason"], state
        assert state["final"] is False
    finally:
        cluster.run([*node, "state=resume"], user="root", check=True)


def test_a_request_that_no_node_can_meet_is_refused_at_once(trial: Trial) -> None:
    with within(10):
        reply = trial.call("spawn", None, config={}, slurm={"constraint": "a100"})
    assert reply.error == "RefusedError"
    assert "Invalid feature specification" in reply.message


@pytest.mark.parametrize("experiment", ["use_cuda", "train_on_gpu"])
def test_cuda_that_is_missing_is_reported(trial: Trial, experiment: str) -> None:
    # torch leaves its cache in the temporary folder; others' tests look for leftovers in /tmp.
    own_folder = {"setup_commands": ["export TMPDIR=$PWD"]}
    run_id = trial.spawn(experiment, slurm={"gpus_per_task": 1, **own_folder})
    with within(60):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "environment", result["failure"]
    assert "module load" in result["failure"]["hint"]
    assert "CUDA" in result["failure"]["hint"]


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        ("conda activate tmgg", "conda: command not found"),
        ("module load cuda/12.1", "module: command not found"),
        ("cd /no/such/folder", "No such file or directory"),
    ],
)
def test_a_setup_command_that_fails_is_reported(trial: Trial, setup: str, words: str) -> None:
    run_id = trial.spawn(slurm={"setup_commands": [setup]})
    with within(15):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "environment", result["failure"]
    assert words in result["failure"]["message"]
    assert "slurm_setup_commands" in result["failure"]["hint"]
    assert trial.starts(run_id) == []


def test_an_interpreter_that_is_missing_is_reported(trial: Trial) -> None:
    run_id = trial.spawn(slurm={"python": "/opt/gone/bin/python"})
    with within(15):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "environment", result["failure"]
    assert "/opt/gone/bin/python" in result["failure"]["message"]
    assert "conda activate" in result["failure"]["hint"]


def test_an_interpreter_without_tmgg_is_reported(trial: Trial) -> None:
    run_id = trial.spawn(
        slurm={"python": "/usr/bin/python3", "setup_commands": ["unset PYTHONPATH"]}
    )
    with within(15):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "environment", result["failure"]
    assert "No module named 'tmgg'" in result["failure"]["message"]


def test_a_ray_that_is_too_old_is_reported(trial: Trial) -> None:
    metadata = "Metadata-Version: 2.1\nName: ray\nVersion: 2.49.0\n"
    trial.login.write("old/ray-2.49.0.dist-info/METADATA", metadata)
    old = f"export PYTHONPATH={trial.login.folder}/old:$PYTHONPATH"
    run_id = trial.spawn(slurm={**RAY, "setup_commands": [old]})
    with within(15):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "environment", result["failure"]
    assert "Ray 2.49.0 is too old" in result["failure"]["message"]
    assert "pip install" in result["failure"]["message"]
    assert trial.starts(run_id) == []


@pytest.mark.parametrize("target", ["trials:import_absent", "no_such_module:run"])
def test_a_module_that_is_missing_is_reported(trial: Trial, target: str) -> None:
    with within(15):
        reply = trial.call("run", None, config={"experiment": {"_target_": target}})
    failure = reply.answer["failure"]
    assert failure["kind"] == "environment", failure
    assert "ModuleNotFoundError" in failure["message"]
    assert "slurm_setup_commands" in failure["hint"]


def test_an_experiment_that_returns_no_result_is_reported(trial: Trial) -> None:
    run_id = trial.spawn("text")
    with within(15):
        result = trial.result(run_id)
    assert result["failure"]["kind"] == "bad_result", result["failure"]
    assert "the loss went down nicely" in result["failure"]["message"]
    assert "mapping of names to numbers" in result["failure"]["hint"]


@pytest.mark.ray
@pytest.mark.long
def test_ray_whose_port_is_taken_is_reported(trial: Trial) -> None:
    holder = (
        "python -c 'import socket, time; s = socket.create_server((\"\", 6399)); time.sleep(180)'"
    )
    port_taken = f"({holder} > /dev/null 2>&1 &) ; sleep 2"
    run_id = trial.spawn(slurm={**RAY, "ray_port": 6399, "setup_commands": [port_taken]})
    with within(180):
        result = trial.result(run_id, timeout_s=200)
    assert result["failure"]["kind"] == "ray_start", result["failure"]
    assert "slurm_ray_port" in result["failure"]["hint"]
    assert trial.starts(run_id) == []


@pytest.mark.ray
@pytest.mark.long
def test_ray_whose_head_cannot_be_reached_is_reported(trial: Trial, cluster: Cluster) -> None:
    cut_off = cluster.machine("node2")
    to_ray = ["ipproto", "tcp", "dport", "6379", "lookup", "99"]
    cut_off.run_as_root(["ip", "route", "add", "blackhole", "default", "table", "99"])
    cut_off.run_as_root(["ip", "rule", "add", *to_ray])
    try:
        run_id = trial.spawn(slurm={**RAY, "nodes": 2, "nodelist": "node1,node2"})
        with within(180):
            result = trial.result(run_id, timeout_s=200)
    finally:
        cut_off.run_as_root(["ip", "rule", "delete", *to_ray])
        cut_off.run_as_root(["ip", "route", "flush", "table", "99"])
    assert result["failure"]["kind"] == "ray_start", result["failure"]
    assert "ping" in result["failure"]["hint"]
    assert trial.starts(run_id) == []
