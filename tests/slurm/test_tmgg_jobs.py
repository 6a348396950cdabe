"""`tmgg-jobs` on a real Slurm: from another process, another directory, with real reasons."""

import json
import subprocess
import time
from typing import Any

import pytest

from tests.slurm.login import PYTHON, Login

EXPERIMENTS = """
def good(config):
    return {"loss": 0.25}

def bad(config):
    raise ValueError("boom")
"""
OPTIONS = ("slurm_nodes=3", "slurm_cpus_per_task=2", "slurm_mem_per_cpu=1GB",
           "slurm_time_limit=00:10:00")  # fmt: skip
SUBMIT = """
import json
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
config = SlurmConfig(nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="500MB",
                     time_limit="00:05:00", ray_bootstrap="none", exclusive=False{more})
runner = SlurmRunner(config)
task = {{"experiment": {{"_target_": "work:{name}"}}}}
print(json.dumps(runner.spawn_experiment(task, run_id="{run_id}").job_id))
"""


def submit(alice: Login, run_id: str, *, name: str = "good", more: str = "") -> str:
    alice.write("work.py", EXPERIMENTS)
    return str(alice.python(SUBMIT.format(name=name, run_id=run_id, more=more)))


def jobs(alice: Login, *arguments: str) -> tuple[int, Any]:
    """Exit code and document of `tmgg-jobs ... --json`, called in the root directory."""
    code = "import os, sys; os.chdir('/'); from tmgg.cli.jobs import main; main()"
    done = alice.run(str(PYTHON), "-c", code, *arguments, "--json", check=False)
    return done.returncode, json.loads(done.stdout)


def findings(document: Any) -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in document["findings"]}


def doctor(alice: Login, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    """As `tmgg-jobs doctor`, in alice's folder."""
    argv = (str(PYTHON), "-m", "tmgg.cli.jobs", "doctor", *OPTIONS, *options, "--json")
    done = alice.run(*argv, "--timeout", "120s", timeout_s=200, check=False)
    return done.returncode, findings(json.loads(done.stdout))


def test_runs_are_listed_waited_for_and_collected_from_elsewhere(alice: Login) -> None:
    submit(alice, "good-1")
    submit(alice, "bad-1", name="bad")
    code, waited = jobs(alice, "wait", "good", "bad", "--timeout", "100s")
    assert code == 1
    assert [run["status"] for run in waited["runs"]] == ["completed", "failed"]
    code, collected = jobs(alice, "collect", "good-1")
    assert (code, collected["results"][0]["metrics"]) == (0, {"loss": 0.25})
    code, retried = jobs(alice, "retry", "bad-1", "--wait")
    assert (code, retried["runs"][0]["attempt"]) == (1, 2)
    assert len(jobs(alice, "show", "bad-1")[1]["submissions"]) == 2
    # The log of the retry went where the record says, not where the retry was typed.
    assert alice.read("slurm_outputs/bad-1.err").count("ValueError: boom") >= 2


@pytest.mark.parametrize(
    ("more", "reason", "summary"),
    [
        (", dependency='afterok:{blocker}'", "Dependency", "will start by itself"),
        (", extra_args=('--hold',)", "JobHeldUser", "will not start unless"),
        (", extra_args=('--begin=now+1hour',)", "BeginTime", "will start by itself"),
    ],
)
def test_a_pending_run_is_explained_with_slurms_real_reason(
    alice: Login, more: str, reason: str, summary: str
) -> None:
    blocker = alice.run("sbatch", "--parsable", "--hold", "--wrap", "sleep 1").stdout.strip()
    job = submit(alice, "run-1", more=more.format(blocker=blocker))
    # Slurm gives the reason in its next scheduling pass.
    deadline = time.monotonic() + 60
    while True:
        explained = jobs(alice, "explain", "run-1")[1]
        if [found["reason"] for found in explained["reasons"]] == [reason]:
            break
        assert time.monotonic() < deadline, explained
    assert summary in explained["summary"]
    (cancelled,) = jobs(alice, "cancel", "run-1")[1]["runs"]
    assert (cancelled["run_id"], cancelled["cancelled"]) == ("run-1", True)
    assert jobs(alice, "wait", "run-1", "--timeout", "100s")[1]["runs"][0]["job_id"] == job


def test_the_doctor_finds_nothing_wrong_with_a_good_cluster(alice: Login) -> None:
    code, found = doctor(alice)
    complaints = {check: item for check, item in found.items() if item["level"] == "problem"}
    assert (code, complaints) == (0, {})
    assert found["shared folder"]["text"].startswith("3 nodes read")
    assert "on every node" in found["Ray"]["text"]
    # 3 nodes, each to 2 others on 3 sampled ports, and 2 to the head's port.
    assert found["connections"]["text"] == "20 between the nodes, all made"
    assert "to start at" in found["trial submission"]["text"]
    assert jobs(alice, "list", "--all")[1]["runs"] == []


def test_the_doctor_finds_a_port_in_use(alice: Login) -> None:
    code = "import socket, sys; s = socket.create_server(('', 6379)); print(flush=True); "
    code += "sys.stdin.read()"
    taken = alice.cluster.popen(
        [str(PYTHON), "-c", code], user="alice", machine="node1",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert taken.stdout is not None
    assert taken.stdout.readline() == "\n"
    try:
        exit_code, found = doctor(alice)
    finally:
        taken.kill()
        taken.communicate()
    assert exit_code == 1
    assert found["ports"]["level"] == "problem"
    assert "node1: 6379" in found["ports"]["text"]


def test_the_doctor_finds_a_folder_that_the_nodes_do_not_share(alice: Login) -> None:
    exit_code, found = doctor(alice, "slurm_output_dir=/tmp/only-here", "slurm_lost_grace_s=5")
    assert exit_code == 1
    assert found["job"]["level"] == "problem"
    # Slurm 22.05 refuses the job that cannot open its logs; later releases run it without.
    assert "output_dir" in found["job"]["advice"]


@pytest.mark.parametrize(
    ("option", "check", "words"),
    [
        ("slurm_nodes=40", "nodes of gpu", "the job needs 40"),
        ("slurm_time_limit=9-00:00:00", "partition gpu", "gives at most"),
        ("slurm_partition=nowhere", "partition nowhere", "there is no partition"),
        ("slurm_account=nobody", "account", "is not one of yours"),
        ("slurm_qos=tiny", "qos tiny", "the job asks for"),
        ("slurm_gpus_per_task=64", "trial submission", "not available"),
    ],
)
def test_the_doctor_finds_what_slurm_would_refuse(
    alice: Login, option: str, check: str, words: str
) -> None:
    argv = (str(PYTHON), "-m", "tmgg.cli.jobs", "doctor", *OPTIONS, option, "--no-job", "--json")
    done = alice.run(*argv, check=False)
    assert done.returncode == 1
    matching = [item for item in json.loads(done.stdout)["findings"] if item["check"] == check]
    assert any(words in item["text"] for item in matching), matching
    # Slurm itself agrees.
    (trial,) = [
        item for item in json.loads(done.stdout)["findings"] if item["check"] == "trial submission"
    ]
    assert trial["level"] == "problem"
