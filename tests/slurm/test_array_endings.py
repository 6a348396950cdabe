"""A sweep of fifty in which runs end in every way: fifty results, each right, and each once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import power_off, settings
from tests.slurm.trial import Trial, config, kill_batch_script, wait_for_end

pytestmark = pytest.mark.long

COUNT = 50
# How runs end, by number; all others complete. The first ones hold until something ends them.
HELD = {0: "node_fail", 1: "cancelled", 2: "cancelled", 3: "lost"}
ENDINGS = {
    **HELD,
    10: "user_error",  # raises
    11: "user_error",  # dies of SIGSEGV
    12: "user_error",  # dies of SIGTERM
    13: "bad_result",  # returns no result
    14: "environment",  # a module is missing
    15: "timeout",  # of its own limit
    49: "cancelled",  # before its turn
}
EXPERIMENTS: dict[int, dict[str, Any]] = {
    **{number: config("hold_at_first", number=number) for number in HELD},
    10: config("fail"),
    11: config("kill_itself", signal=11),
    12: config("kill_itself", signal=15),
    13: config("text"),
    14: config("import_absent"),
    15: config("hold_at_first", number=15),
}


@pytest.fixture(scope="module")
def brisk(cluster: Cluster) -> Iterator[None]:
    """The controller gives a silent node up soon."""
    with settings(cluster, SlurmdTimeout="5"):
        yield


def name_of(number: int) -> str:
    return f"r{number:02}"


def asked() -> list[dict[str, Any]]:
    return [
        {
            "run_id": name_of(number),
            "config": EXPERIMENTS.get(number, config("quick", value=float(number))),
            "timeout_seconds": 3 if number == 15 else 300,
        }
        for number in range(COUNT)
    ]


def end_them(trial: Trial, cluster: Cluster) -> None:
    """Do to the runs that hold what their numbers say, and cancel the last before its turn."""
    trial.login.run("scancel", trial.state(name_of(49))["job_id"])
    for number in HELD:
        trial.wait_for_starts(name_of(number), 1)
    trial.login.run("scancel", trial.state(name_of(1))["job_id"])
    assert trial.call("cancel", name_of(2)).answer is True
    kill_batch_script(trial, name_of(3))
    for number in range(1, COUNT):
        wait_for_end(trial, name_of(number))
    node = trial.starts(name_of(0))[-1].split()[3]
    with power_off(cluster, node):
        wait_for_end(trial, name_of(0))


def check(results: list[dict[str, Any]]) -> None:
    kinds = {
        number: result["failure"]["kind"]
        for number, result in enumerate(results)
        if result["failure"] is not None
    }
    assert [result["run_id"] for result in results] == [name_of(n) for n in range(COUNT)]
    assert kinds == ENDINGS, [result["failure"] for result in results if result["failure"]]
    for number, result in enumerate(results):
        if number not in ENDINGS:
            assert result["metrics"] == {"value": float(number)}


@pytest.mark.parametrize("launcher_lives", [True, False], ids=["launcher", "elsewhere"])
def test_a_sweep_in_which_runs_end_in_every_way(
    brisk: None, trial: Trial, cluster: Cluster, launcher_lives: bool
) -> None:
    trial.settings |= {"requeue": False, "lost_grace_s": 20.0}
    options = {"mode": "array", "parallelism": 6, "policy": {"retries": 0}}
    launcher = trial.start("sweep", configs=asked(), options=dict(options))
    trial.wait_for_starts(name_of(0), 1)
    if not launcher_lives:
        with launcher:
            launcher.kill_group()
    end_them(trial, cluster)
    if launcher_lives:
        results = trial.finish(launcher, timeout_s=200).answer
    else:
        (record,) = (trial.login.host_folder / "slurm_outputs" / ".sweeps").iterdir()
        trial.login.run("tmgg-jobs", "wait", record.stem, check=False, timeout_s=200)
        told = trial.login.run("tmgg-jobs", "collect", record.stem, "--json", check=False)
        results = json.loads(told.stdout)["results"]
    check(results)
    resume_runs_exactly_the_failed_ones(trial, options)


def resume_runs_exactly_the_failed_ones(trial: Trial, options: dict[str, Any]) -> None:
    unnamed = [{name: each[name] for name in each if name != "run_id"} for each in asked()]
    reply = trial.call("sweep", configs=unnamed, options={**options, "resume": True}, timeout_s=300)
    assert reply.error is None, reply.message
    assert [result["run_id"] for result in reply.answer] == [name_of(n) for n in range(COUNT)]
    again = {n for n in range(COUNT) if trial.files(name_of(n), 2).folder.exists()}
    assert again == set(ENDINGS)
    # Those that had been ended from outside complete now; the others fail as they did.
    failed = {n for n, result in enumerate(reply.answer) if result["status"] == "failed"}
    assert failed == {10, 11, 12, 13, 14}
    assert reply.calls["sbatch"] == 1
