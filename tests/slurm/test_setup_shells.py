"""What setup commands, and what they source, leave in the job script's shell, on a real Slurm."""

from typing import Any

import pytest

from tests.slurm.training import log, spawn
from tests.slurm.trial import Trial, config

# As in activation scripts and files of the shell that sites hand out.
ACTIVATE = """
set -euo pipefail
trap 'echo bye > said_bye' EXIT
trap 'echo heard' TERM USR2 CONT
IFS=,
shopt -s nullglob failglob
cd() { builtin cd "$@" && ls; }
export SLURM_TIME_FORMAT=%H:%M SLURM_CLUSTERS=elsewhere SLURM_EXPORT_ENV=NONE
"""
BOOTSTRAPS: dict[str, dict[str, Any]] = {
    "none": {"ray_bootstrap": "none"},
    "symmetric-run": {"ray_bootstrap": "symmetric-run", "nodes": 2, "mem_per_cpu": "2GB"},
    "managed": {"ray_bootstrap": "managed", "nodes": 2, "mem_per_cpu": "2GB"},
    "ranks": {"ray_bootstrap": "none", "tasks_per_node": 1, "nodes": 2},
    "ranks beside Ray": {
        "ray_bootstrap": "managed", "tasks_per_node": 1, "nodes": 2, "mem_per_cpu": "2GB",
    },
}  # fmt: skip


@pytest.fixture
def hostile(trial: Trial) -> Trial:
    trial.login.write("activate", ACTIVATE)
    trial.settings |= {"requeue": True, "setup_commands": ["source ./activate"]}
    return trial


@pytest.mark.long
@pytest.mark.usefixtures("swept_nodes")
@pytest.mark.parametrize("bootstrap", BOOTSTRAPS)
def test_ahead_of_its_time_limit_a_job_saves_its_state_and_goes_on_whatever_its_setup_does(
    hostile: Trial, bootstrap: str
) -> None:
    hostile.settings |= BOOTSTRAPS[bootstrap]
    run_id = spawn(hostile, {"number": 60, "until_asked": True}, target="trials:count_to")
    hostile.wait_for_starts(run_id, 1, timeout_s=120)
    job_id = hostile.job_id(run_id)
    hostile.login.run("scancel", "--signal=USR2", "--batch", job_id)  # what --signal=B:USR2 sends
    result = hostile.result(run_id, timeout_s=240)
    assert result["status"] == "completed", log(hostile, run_id)
    assert (result["attempts"], result["job_id"]) == (2, job_id), log(hostile, run_id)
    assert result["metrics"]["first"] > 0
    assert hostile.login.read("said_bye") == "bye\n"


def test_a_preemption_is_seen_whatever_form_the_setup_wants_times_in(hostile: Trial) -> None:
    hostile.settings |= {"partition": "scavenge"}
    run_id = spawn(hostile, {"number": 60, "until_asked": True}, target="trials:count_to")
    hostile.wait_for_starts(run_id, 1)
    argv = ["sbatch", "--partition=gpu", "--nodes=4", "--exclusive", "--output=/dev/null", "--wait"]
    hostile.login.run(*argv, "--wrap", "sleep 1")
    result = hostile.result(run_id)
    assert result["status"] == "completed", log(hostile, run_id)
    assert (result["attempts"], result["metrics"]["first"] > 0) == (2, True)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["array", "packed"])
def test_each_run_of_a_sweep_has_its_result_whatever_the_setup_does(
    hostile: Trial, mode: str
) -> None:
    hostile.settings |= {"sweep_mode": mode, "ray_bootstrap": "managed", "mem_per_cpu": "2GB"}
    reply = hostile.call("sweep", configs=[config("quick"), config("fail")], timeout_s=280)
    assert reply.error is None, reply.message
    assert [each["status"] for each in reply.answer] == ["completed", "failed"], reply.answer
    assert len(hostile.jobs()) == (1 if mode == "packed" else 2)
