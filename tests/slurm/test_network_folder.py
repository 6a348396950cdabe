"""Runs where the shared folder is a network's: each machine believes for 30 s what it once saw.

`make test-network` runs the conformance, fault and sweep tests there, too.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm_cluster import Cluster, ClusterOptions
from slurm_cluster.packages import missing_packages
from tests.slurm.login import PROJECT, PYTHON, Login
from tests.slurm.trial import SMALL, Trial, config, within

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
RUNS = 3
# Far less than the 30 s for which a machine believes that a file is not there.
AT_ONCE_S = 5.0
CALLS = """
import json, sys
from tmgg import SlurmConfig, SlurmRunner

def double(number):
    return 2 * number

if __name__ == "__main__":
    runner = SlurmRunner(SlurmConfig(**json.loads(sys.argv[1])))
    print([future.result() for future in runner.map(double, range(2))])
"""


@pytest.fixture(scope="module")
def network(can_run_slurm: None) -> Iterator[Cluster]:
    if not Path("/dev/fuse").exists() or missing_packages(network_folder=True):
        pytest.skip("it needs /dev/fuse and python3-pyfuse3")
    cluster = Cluster(
        ClusterOptions(name=f"nfs{os.getpid()}", nodes=2, accounting=False, shared_folder="network")
    )
    folders = [PROJECT, PYTHON.parents[1], Path(sys.prefix), Path(sys.base_prefix)]
    cluster.up(expose=list(dict.fromkeys(folders)))
    yield cluster
    cluster.down(purge=True)


@pytest.fixture
def trial(network: Cluster, request: pytest.FixtureRequest) -> Iterator[Trial]:
    login = Login.new(network, user="alice", name=request.node.name)
    made = Trial(login)
    # Shorter than a machine's memory of what it did not see: nothing may be concluded from that.
    made.settings |= {"lost_grace_s": 3.0, "poll_interval_s": 1.0}
    yield made
    login.cancel_all()


def test_an_end_is_reported_at_once_where_its_files_were_looked_for_before(trial: Trial) -> None:
    run_id = trial.held()
    assert trial.state(run_id)["status"] == "running"
    trial.go()
    trial.wait_until(trial.files(run_id).ended.exists, "the exit record, on the server")
    trial.wait_for_slurm(trial.job_id(run_id), "COMPLETED")
    with within(AT_ONCE_S):
        assert trial.state(run_id)["status"] == "completed"
        assert trial.result(run_id)["metrics"]["value"] == 1.0


@pytest.mark.parametrize("mode", ["separate", "array", "packed"])
def test_so_are_the_ends_of_a_sweep(trial: Trial, mode: str) -> None:
    if mode == "packed":
        trial.settings |= {"ray_bootstrap": "managed", "mem_per_cpu": "1GB"}
        trial.settings |= {"cpus_per_task": RUNS, "runs_per_node": RUNS}
    configs = [config("hold", value=float(number)) for number in range(RUNS)]
    options = {"mode": mode, "parallelism": RUNS}
    run_ids = trial.call("spawn_sweep", configs=configs, options=options).answer["run_ids"]
    for run_id in run_ids:
        trial.wait_for_starts(run_id, 1, timeout_s=120)
        assert trial.state(run_id)["status"] == "running"
    trial.go()
    for run_id in run_ids:
        trial.wait_until(trial.files(run_id).ended.exists, "the exit records", 120)
    trial.wait_until(lambda: not trial.login.run("squeue", "--noheader").stdout, "no job", 120)
    with within(RUNS * AT_ONCE_S):
        results = [trial.result(run_id) for run_id in run_ids]
    assert [result["metrics"]["value"] for result in results] == [0.0, 1.0, 2.0]


def test_a_machine_that_saw_the_first_attempt_is_told_of_the_second(trial: Trial) -> None:
    run_id = trial.spawn("quick", slurm={"setup_commands": ["[ -n \"$(ls | grep '^go$')\" ]"]})
    assert trial.result(run_id)["failure"]["kind"] == "environment"
    trial.go()
    assert trial.call("retry", run_id).error is None
    trial.wait_until(trial.files(run_id, 2).ended.exists, "the second end, on the server")
    with within(2 * AT_ONCE_S):
        result = trial.result(run_id)
    assert (result["status"], result["attempts"]) == ("completed", 2)


def test_what_is_removed_while_another_machine_reads_it_is_removed(trial: Trial) -> None:
    run_id = trial.spawn("quick")
    assert trial.result(run_id)["status"] == "completed"
    login, folder = trial.login, f"slurm_outputs/{run_id}"
    seen = login.cluster.run(["ls", f"{login.folder}/{folder}"], user="alice", machine="node2")
    assert "run.json" in seen.stdout
    gone = login.run("tmgg-jobs", "gc", "--older-than", "0s", "--yes", check=False)
    assert gone.returncode == 0, gone.stderr
    assert not (login.host_folder / folder).exists()
    shown = login.cluster.run(
        [str(PYTHON), "-m", "tmgg.cli.jobs", "show", run_id], user="alice", machine="node2",
        cwd=login.folder, env=login.environment,
    )  # fmt: skip
    assert "Traceback" not in shown.stderr
    assert shown.returncode != 0


@pytest.mark.parametrize("options", [
    pytest.param({"tasks_per_node": 1}, id="ranks"),
    pytest.param({"ray_bootstrap": "managed", "cpus_per_task": 2, "mem_per_cpu": "2GB"}, id="ray"),
])  # fmt: skip
def test_a_job_begins_on_the_node_of_its_launcher_which_looked_for_the_run_before(
    trial: Trial, options: dict[str, Any]
) -> None:
    login = trial.login
    login.write("calls.py", CALLS)
    asked = json.dumps({**SMALL, "nodes": 2, **options})

    done = login.cluster.run(
        [str(PYTHON), "calls.py", asked], user=login.user, machine="node2", cwd=login.folder,
        env=login.environment, timeout_s=240,
    )  # fmt: skip

    assert done.stdout == "[0, 2]\n", done.stderr
