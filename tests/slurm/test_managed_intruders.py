"""Without the job's token nobody gets into its Ray; with it, by the very same way, anybody does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slurm_cluster import Cluster
from tests.slurm.login import PYTHON, Login
from tests.slurm.managed_jobs import ManagedJob, files_with, wait_until
from tests.slurm.test_managed_ports import expected_plan

# Minutes in all on two cores.
pytestmark = pytest.mark.long

INTRUDER = Path(__file__).parent / "intruder.py"


@dataclass
class Besieged:
    """A job of alice's on nodes 1 and 2 that waits, and the ways into its Ray."""

    job: ManagedJob
    view: dict[str, Any]

    def enter(
        self, way: str, *where: str, user: str, token: str | None, node: str = "node2"
    ) -> dict[str, Any]:
        """What a user on a node reaches; `token` is the path of the file that he says it is in."""
        login = self.job.login
        tokens = {} if token is None else {"RAY_AUTH_TOKEN_PATH": token}
        done = login.cluster.run(
            [str(PYTHON), str(INTRUDER), way, *where],
            user=user,
            machine=node,
            env=login.environment
            | {"RAY_AUTH_MODE": "disabled" if token is None else "token", "HOME": "/nonexistent"}
            | tokens,
            timeout_s=120,
            check=True,
        )  # fmt: skip
        # Ray has a word to say to a driver, too: of nodes that are gone, at any time.
        (answer,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
        reached: dict[str, Any] = json.loads(answer)
        return reached

    @property
    def token(self) -> str:
        return str(self.view["token_file"])

    @property
    def gcs(self) -> str:
        return str(self.view["gcs"])

    @property
    def job_agent(self) -> str:
        _first, plan = expected_plan(self.job)
        return f"{self.gcs.partition(':')[0]}:{plan.components['dashboard_agent_http']}"


@pytest.fixture(scope="module")
def besieged(cluster: Cluster) -> Iterator[Besieged]:
    alice = Login.new(cluster, user="alice", name="besieged")
    job = ManagedJob.submit(
        alice, "held", nodes=2, nodelist="node[1-2]", hold_s=600,
        time_limit="00:15:00",
    )  # fmt: skip
    yield Besieged(job, job.started())
    token = alice.read(f"slurm_outputs/{job.run_id}/1/ray_token").strip()
    job.release()
    result = job.result()
    alice.cancel_all()
    assert result["status"] == "completed", result
    # Nor did the job's end, or its result, write it anywhere.
    assert [path.name for path in files_with(token, alice.host_folder)] == ["ray_token"]


@pytest.fixture
def wrong_token(cluster: Cluster) -> str:
    """Of the same form as the right one."""
    bob = Login.new(cluster, user="bob", name="wrong-token")
    bob.write("token", "0123456789abcdef" * 4, mode=0o600)
    return str(bob.folder / "token")


WAYS = {"connect_as_driver": "gcs", "join_as_node": "gcs", "use_job_api": "job_agent"}


@pytest.mark.parametrize("way", WAYS)
def test_an_intruder_is_refused(besieged: Besieged, way: str, wrong_token: str) -> None:
    where = getattr(besieged, WAYS[way])
    assert "refused" in besieged.enter(way, where, user="bob", token=None, node="node3")
    assert "refused" in besieged.enter(way, where, user="bob", token=wrong_token, node="node3")
    # Not even the owner of the job, on its own node, without the token.
    assert "refused" in besieged.enter(way, where, user="alice", token=None)


def test_the_token_is_all_that_a_driver_lacks(besieged: Besieged) -> None:
    reached = besieged.enter("connect_as_driver", besieged.gcs, user="alice", token=besieged.token)
    assert reached == {"nodes": ["node1", "node2"]}


def test_the_token_is_all_that_a_node_lacks(besieged: Besieged, cluster: Cluster) -> None:
    def nodes() -> list[str]:
        reached = besieged.enter(
            "connect_as_driver", besieged.gcs, user="alice", token=besieged.token
        )
        return list(reached["nodes"])

    joined = besieged.enter(
        "join_as_node", besieged.gcs, user="alice", token=besieged.token, node="node3"
    )
    try:
        assert joined == {"joined": True}
        assert nodes() == ["node1", "node2", "node3"]
    finally:
        cluster.run(["pkill", "-KILL", "-u", "alice"], user="root", machine="node3")
        # It takes the head's name for its folder, without the lock by which a job's own is known.
        mine = ["find", "/tmp", "-mindepth", "1", "-maxdepth", "1", "-user", "alice"]
        cluster.run([*mine, "-exec", "rm", "-rf", "{}", "+"], user="root", machine="node3")
    wait_until(lambda: nodes() == ["node1", "node2"], timeout_s=60, what="node3 to be gone")


def test_the_token_is_all_that_the_job_api_lacks(besieged: Besieged) -> None:
    reached = besieged.enter("use_job_api", besieged.job_agent, user="alice", token=besieged.token)
    assert "accepted" in reached, reached


def test_only_the_owner_reads_what_the_job_is_told(besieged: Besieged) -> None:
    run = besieged.job.login.folder / "slurm_outputs" / besieged.job.run_id
    for name in ("task.json", "run.json", "1/ray_token", "1/job.sh"):
        path = str(run / name)
        assert "refused" in besieged.enter("read_file", path, user="bob", token=None), name
        assert besieged.enter("read_file", path, user="alice", token=None)["read"] > 0


def test_the_token_is_in_its_file_and_nowhere_else(besieged: Besieged, cluster: Cluster) -> None:
    login, job = besieged.job.login, besieged.job
    token_file = login.host_folder / f"slurm_outputs/{job.run_id}/1/ray_token"
    token = token_file.read_text().strip()
    assert len(token) == 64
    assert files_with(token, login.host_folder) == [token_file]
    for node in ("login", "node1", "node2"):
        assert not shown_by(cluster, node, _PROCESSES, token), node
        assert not shown_by(cluster, node, _FILES, token), node
    # The same search finds what may be known: the name of the file.
    assert shown_by(cluster, "node2", _PROCESSES, str(besieged.token))
    for command in (["show", "job", job.job_id], ["write", "batch_script", job.job_id, "-"]):
        shown = login.run("scontrol", *command).stdout
        assert "tmgg" in shown
        assert token not in shown


_PROCESSES = "grep -aslF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
_FILES = "grep -rslF -f - /tmp /dev/shm"


def shown_by(cluster: Cluster, machine: str, search: str, text: str) -> str:
    """Where root finds a text; it is given on standard input, not on a command line."""
    return cluster.run(["bash", "-c", search], user="root", machine=machine, stdin=text).stdout


def test_no_ray_client_and_no_dashboard_listens(besieged: Besieged, cluster: Cluster) -> None:
    _first, plan = expected_plan(besieged.job)
    for node in ("node1", "node2"):
        done = cluster.run(["ss", "-Hltn"], user="root", machine=node, check=True)
        listening = {int(line.split()[3].rpartition(":")[2]) for line in done.stdout.splitlines()}
        assert plan.components["node_manager"] in listening
        assert not listening & {plan.components["ray_client"], plan.components["dashboard"], 8265}
