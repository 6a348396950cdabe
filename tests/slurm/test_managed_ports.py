"""Whatever port of a managed job somebody else has, the job runs."""

import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import PYTHON, Login
from tests.slurm.managed_jobs import ManagedJob
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.ray_cluster import ports

# Minutes in all on two cores.
pytestmark = pytest.mark.long

WISHES = {"ray_port": 16380, "min_worker_port": 17000, "max_worker_port": 17200}
_CONFIG = SlurmConfig()

# `beforehand` takes the ports at once. `meanwhile` does so when the job has looked at them, right
# after it has begun to listen on the first of its block, and before Ray, which is still being
# imported, takes them.
_HOLD = """
import contextlib, socket, sys, time
when, first, *numbers = sys.argv[1], *map(int, sys.argv[2:])

def listen(port):
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    server.listen()
    return server

if when == "meanwhile":
    print("ready", flush=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", first), timeout=1).close()
            break
        time.sleep(0.005)
    time.sleep(0.1)
held = [listen(number) for number in numbers]
print("held", flush=True)
sys.stdin.read()
"""


def submit_held(alice: Login, *, nodes: int = 1, **settings: Any) -> ManagedJob:
    """A job that waits for `scontrol release`, so that its id, and with it its ports, are known."""
    return ManagedJob.submit(
        alice, "ports", nodes=nodes, nodelist=f"node[1-{nodes}]", extra_args=["--hold"], **settings
    )


def expected_plan(job: ManagedJob) -> tuple[int, ports.PortPlan]:
    """First port and plan of the job on a node where nothing is taken."""
    workers = ports.worker_ports_needed(1)
    first, last = _CONFIG.min_job_port, _CONFIG.max_job_port
    block = next(ports.block_starts(first, last, seed=int(job.job_id), workers=workers))
    wishes = ports.PortWishes(range=(first, last))
    return block[0], ports.plan_ports(block, wishes, workers=workers, free=lambda _port: True)


def run_although_taken(job: ManagedJob, node: str, when: str, numbers: Sequence[int]) -> None:
    """Let the job run, and well, while bob takes these ports on one of its nodes."""
    first, _plan = expected_plan(job)
    with job.login.cluster.popen(
        [str(PYTHON), "-c", _HOLD, when, *map(str, [first, *numbers])],
        user="bob", machine=node, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == ("held\n" if when == "beforehand" else "ready\n")
        job.login.run("scontrol", "release", job.job_id)
        result = job.result(timeout_s=240)
        if when == "meanwhile":
            assert holder.stdout.readline() == "held\n", "the port was not taken in time"
    assert result["status"] == "completed", job.log()
    assert result["metrics"] == {"nodes": job.settings["nodes"]}


def ports_called(name: str, job: ManagedJob) -> list[int]:
    """Those that the job would take by this name."""
    first, plan = expected_plan(job)
    if name == "claim":
        return [first]
    if name == "workers":
        return list(range(plan.workers[0], plan.workers[0] + 20))
    return [plan.components[name]]


def test_the_ports_are_as_these_tests_expect(alice: Login, cluster: Cluster) -> None:
    job = submit_held(alice)
    alice.run("scontrol", "release", job.job_id)
    job.started()
    lines = cluster.run(["ss", "-Hltn"], user="root", machine="node1", check=True).stdout
    listening = {int(line.split()[3].rpartition(":")[2]) for line in lines.splitlines()}
    first, plan = expected_plan(job)
    assert first in listening
    names = {name for name, port in plan.components.items() if port in listening}
    # The dashboard, its metrics and Ray Client are not started.
    assert names == {*ports.COMPONENTS} - {"dashboard", "dashboard_metrics", "ray_client"}
    assert listening & set(range(plan.workers[0], plan.workers[1] + 1))
    job.release()
    assert job.result()["status"] == "completed"


@pytest.mark.parametrize("name", ["claim", *ports.COMPONENTS, "workers"])
def test_a_taken_port_of_the_head_is_survived(alice: Login, name: str) -> None:
    job = submit_held(alice, function="plain")
    run_although_taken(job, "node1", "beforehand", ports_called(name, job))


@pytest.mark.parametrize("name", [*ports.COMPONENTS, "workers"])
def test_a_port_of_the_head_that_is_taken_while_ray_starts_is_survived(
    alice: Login, name: str
) -> None:
    job = submit_held(alice, function="plain")
    run_although_taken(job, "node1", "meanwhile", ports_called(name, job))
    if name in ("gcs", "node_manager", "object_manager"):
        assert "trying other ports" in job.log()


@pytest.mark.parametrize("name", ["claim", "node_manager", "workers"])
def test_a_taken_port_of_another_node_is_survived(alice: Login, name: str) -> None:
    job = submit_held(alice, function="plain", nodes=2)
    run_although_taken(job, "node2", "beforehand", ports_called(name, job))


@pytest.mark.parametrize(
    "numbers", [[16380], list(range(17000, 17190))], ids=["ray_port", "worker_ports"]
)
def test_a_taken_port_that_was_asked_for_is_survived(alice: Login, numbers: list[int]) -> None:
    job = submit_held(alice, function="plain", **WISHES)
    run_although_taken(job, "node1", "beforehand", numbers)
    assert "taking others" in job.log()
