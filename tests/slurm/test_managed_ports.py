"""Whatever port of a managed job somebody else has, the job runs."""

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import PYTHON, Login
from tests.slurm.managed_jobs import ManagedJob
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.ray_node import ports

# Minutes in all on two cores.
pytestmark = pytest.mark.long

NODES = ["node1", "node2"]
WISHES = {"ray_port": 16380, "min_worker_port": 17000, "max_worker_port": 17200}
_CONFIG = SlurmConfig()

# A socket that is bound and does not listen looks free to whoever allows addresses to be reused,
# as a server that begins between the look and Ray's own start would.
_HOLD = """
import socket, sys
held = []
for port in map(int, sys.argv[2:]):
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    if sys.argv[1] == "listening":
        server.listen()
    held.append(server)
print("held", flush=True)
sys.stdin.read()
"""


def submit_held(alice: Login, **settings: Any) -> ManagedJob:
    """A job that waits for `scontrol release`, so that its id, and with it its ports, are known."""
    return ManagedJob.submit(
        alice, "ports", nodes=2, nodelist="node[1-2]",
        extra_args=["--hold"], **settings,
    )  # fmt: skip


def expected_plan(job: ManagedJob) -> tuple[int, ports.PortPlan]:
    """First port and plan of the job on a node where nothing is taken."""
    workers = ports.worker_ports_needed(1)
    first, last = _CONFIG.min_job_port, _CONFIG.max_job_port
    block = next(ports.block_starts(first, last, seed=int(job.job_id), workers=workers))
    wishes = ports.PortWishes(range=(first, last))
    return block[0], ports.plan_ports(block, wishes, workers=workers, free=lambda _port: True)


@contextlib.contextmanager
def taken(cluster: Cluster, how: str, *numbers: int) -> Iterator[None]:
    """Bob has these ports on the job's nodes."""
    with contextlib.ExitStack() as stack:
        for node in NODES:
            holder = stack.enter_context(
                cluster.popen(
                    [str(PYTHON), "-c", _HOLD, how, *map(str, numbers)],
                    user="bob", machine=node, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
        yield


def test_the_ports_are_as_these_tests_expect(alice: Login, cluster: Cluster) -> None:
    job = submit_held(alice)
    alice.run("scontrol", "release", job.job_id)
    job.started()
    _first, plan = expected_plan(job)
    for node in NODES:
        lines = cluster.run(["ss", "-Hltn"], user="root", machine=node, check=True).stdout
        listening = {int(line.split()[3].rpartition(":")[2]) for line in lines.splitlines()}
        names = {name for name, port in plan.components.items() if port in listening}
        assert names >= {"node_manager", "object_manager", "dashboard_agent_http"}
        if node == "node1":
            assert names >= {"gcs", "autoscaler_metrics"}
    job.release()
    assert job.result()["status"] == "completed"


@pytest.mark.parametrize("how", ["listening", "bound"])
@pytest.mark.parametrize("name", ["claim", *ports.COMPONENTS, "workers"])
def test_a_taken_port_is_survived(alice: Login, cluster: Cluster, name: str, how: str) -> None:
    job = submit_held(alice, function="plain")
    first, plan = expected_plan(job)
    special = {"claim": [first], "workers": list(range(plan.workers[0], plan.workers[0] + 20))}
    with taken(cluster, how, *special.get(name, [plan.components.get(name, first)])):
        alice.run("scontrol", "release", job.job_id)
        result = job.result()
    assert result["status"] == "completed", job.log()
    assert result["metrics"] == {"nodes": 2}


@pytest.mark.parametrize("how", ["listening", "bound"])
@pytest.mark.parametrize("name", ["ray_port", "min_worker_port"])
def test_a_taken_port_that_was_asked_for_is_survived(
    alice: Login, cluster: Cluster, name: str, how: str
) -> None:
    job = submit_held(alice, function="plain", **WISHES)
    numbers = [WISHES["ray_port"]] if name == "ray_port" else range(17000, 17190)
    with taken(cluster, how, *numbers):
        alice.run("scontrol", "release", job.job_id)
        result = job.result()
    assert result["status"] == "completed", job.log()
    assert result["metrics"] == {"nodes": 2}
