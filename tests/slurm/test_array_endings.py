"""A sweep of fifty in which runs end in every way: fifty results, each right, and each once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.outages import has_memory_limits, memory_limits, power_off, settings
from tests.slurm.trial import Trial, config, kill_batch_script, wait_for_end

pytestmark = [pytest.mark.long, pytest.mark.ray]

COUNT = 50
IN_FIRST_ARRAY = 46
# How many of each of the two arrays run at once.
AT_ONCE = 5
# These hold until something ends them; which of them Slurm preempts is its own choice.
HELD = range(AT_ONCE)
ENDINGS = {
    10: "user_error",  # raises
    11: "user_error",  # dies of SIGSEGV
    12: "user_error",  # dies of SIGTERM
    13: "bad_result",  # returns no result
    14: "environment",  # a module is missing
    15: "timeout",  # of its own limit
    16: "out_of_memory",  # Python raises MemoryError
    17: "out_of_memory",  # killed by the kernel for what it takes
    18: "ray_start",  # its Ray may not make a large file
    19: "artifacts",  # its files go where it may not write
    20: "environment",  # a setup command fails
    45: "cancelled",  # before its turn
    **dict.fromkeys(range(IN_FIRST_ARRAY, COUNT), "submission"),  # Slurm refuses their array
}
FAIL_AGAIN = {10, 11, 12, 13, 14, 16, 17, 18, 19, 20}
EXPERIMENTS: dict[int, dict[str, Any]] = {
    **{number: config("hold_at_first", number=number) for number in HELD},
    10: config("fail"),
    11: config("kill_itself", signal=11),
    12: config("kill_itself", signal=15),
    13: config("text"),
    14: config("import_absent"),
    15: config("hold_at_first", number=15),
    16: config("exhaust"),
    17: config("allocate", megabytes=6000),
}
# On a machine where nothing limits a job, the same by its own limit.
if not has_memory_limits():
    EXPERIMENTS[17] = config("exhaust", number=17)
REFUSE_SECOND_ARRAY = f"""
if grep -q "^#SBATCH --array=0-{COUNT - IN_FIRST_ARRAY - 1}%" "${{@: -1}}"; then
    set -- --constraint=a100 "$@"
fi
exec "$real" "$@"
"""


@pytest.fixture(scope="module")
def site(cluster: Cluster) -> Iterator[None]:
    """Short arrays, memory limits where they can be had; a silent node is given up soon."""
    with settings(cluster, SlurmdTimeout="10", MaxArraySize=str(IN_FIRST_ARRAY)):
        if not has_memory_limits():
            yield
            return
        with memory_limits(cluster):
            yield


def name_of(number: int) -> str:
    return f"r{number:02}"


def asked() -> list[dict[str, Any]]:
    return [
        {
            "run_id": name_of(number),
            "config": EXPERIMENTS.get(number, config("quick", value=float(number))),
            "timeout_seconds": 3 if number == 15 else 300,
            "artifact_url": "file:///etc/artifacts" if number == 19 else None,
        }
        for number in range(COUNT)
    ]


def prepare(trial: Trial) -> None:
    """What makes single runs fail although all share one job script."""
    only = 'case "$tmgg_dir" in */{}/*) {} ;; esac'
    trial.settings |= {
        "partition": "scavenge",
        "requeue": False,
        "lost_grace_s": 20.0,
        "ray_bootstrap": "managed",
        "mem_per_cpu": "3000MB",
        "setup_commands": [
            only.format(name_of(18), "ulimit -f 20000"),
            only.format(name_of(20), "false"),
        ],
    }
    trial.wrap_sbatch(REFUSE_SECOND_ARRAY)


def preempt_one(trial: Trial) -> int:
    """A job of a better partition takes the place of one of those that hold; its number."""
    starts = {number: trial.starts(name_of(number))[-1].split() for number in HELD}
    (node,) = {line[3] for line in starts.values()}
    cpus = trial.login.cluster.options.cpus - AT_ONCE + 1
    argv = ["sbatch", "--partition=gpu", f"--nodelist={node}", f"--cpus-per-task={cpus}", "--wait"]
    trial.login.run(*argv, "--mem=100", "--output=/dev/null", "--wrap", "sleep 1")
    (victim,) = [n for n in HELD if trial.slurm_state(starts[n][2]) == "PREEMPTED"]
    return victim


def end_them(trial: Trial, cluster: Cluster) -> dict[int, str]:
    """End the runs that hold, each in a way of its own, and one before its turn; their kinds."""
    trial.login.run("scancel", trial.state(name_of(45))["job_id"])
    for number in HELD:
        trial.wait_for_starts(name_of(number), 1, timeout_s=120)
    preempted = preempt_one(trial)
    powerless, killed, cancelled, lost = (number for number in HELD if number != preempted)
    trial.login.run("scancel", trial.state(name_of(killed))["job_id"])
    assert trial.call("cancel", name_of(cancelled)).answer is True
    kill_batch_script(trial, name_of(lost))
    for number in range(IN_FIRST_ARRAY):
        if number != powerless:
            wait_for_end(trial, name_of(number), timeout_s=300)
    node = trial.starts(name_of(powerless))[-1].split()[3]
    with power_off(cluster, node):
        wait_for_end(trial, name_of(powerless))
    return {
        preempted: "preempted",
        powerless: "node_fail",
        killed: "cancelled",
        cancelled: "cancelled",
        lost: "lost",
    }


def check(results: list[dict[str, Any]], endings: dict[int, str]) -> None:
    kinds = {
        number: result["failure"]["kind"]
        for number, result in enumerate(results)
        if result["failure"] is not None
    }
    assert [result["run_id"] for result in results] == [name_of(n) for n in range(COUNT)]
    assert kinds == endings, [result["failure"] for result in results if result["failure"]]
    for number, result in enumerate(results):
        if number not in endings:
            assert result["metrics"] == {"value": float(number)}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("launcher_lives", [True, False], ids=["launcher", "elsewhere"])
def test_a_sweep_in_which_runs_end_in_every_way(
    site: None, trial: Trial, cluster: Cluster, launcher_lives: bool
) -> None:
    prepare(trial)
    options = {"mode": "array", "parallelism": 2 * AT_ONCE, "policy": {"retries": 0}}
    launcher = trial.start("sweep", configs=asked(), options=dict(options))
    trial.wait_for_starts(name_of(0), 1, timeout_s=120)
    if not launcher_lives:
        trial.wait_until(lambda: trial.state(name_of(COUNT - 1))["final"], "the refusal")
        with launcher:
            launcher.kill_group()
    endings = ENDINGS | end_them(trial, cluster)
    if launcher_lives:
        results = trial.finish(launcher, timeout_s=200).answer
    else:
        (record,) = (trial.login.host_folder / "slurm_outputs" / ".sweeps").iterdir()
        trial.login.run("tmgg-jobs", "wait", record.stem, check=False, timeout_s=200)
        told = trial.login.run("tmgg-jobs", "collect", record.stem, "--json", check=False)
        results = json.loads(told.stdout)["results"]
    check(results, endings)
    trial.unwrap_sbatch()
    resume_runs_exactly_the_failed_ones(trial, set(endings), options)


def resume_runs_exactly_the_failed_ones(
    trial: Trial, failed: set[int], options: dict[str, Any]
) -> None:
    unnamed = [{name: each[name] for name in each if name != "run_id"} for each in asked()]
    reply = trial.call("sweep", configs=unnamed, options={**options, "resume": True}, timeout_s=400)
    assert reply.error is None, reply.message
    assert [result["run_id"] for result in reply.answer] == [name_of(n) for n in range(COUNT)]
    again = {n for n in range(COUNT) if trial.files(name_of(n), 2).folder.exists()}
    assert again == failed
    # Those that had been ended from outside complete now; the others fail as they did.
    still = {n for n, result in enumerate(reply.answer) if result["status"] == "failed"}
    assert still == FAIL_AGAIN
    assert reply.calls["sbatch"] == 1
