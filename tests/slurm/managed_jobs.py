"""Jobs under the managed bootstrap that a test can hold, look at, and let go."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm_cluster import Cluster
from tests.slurm.login import Login

EXPERIMENTS = """
import json, os, pathlib, time


def describe():
    return {"node": os.environ["SLURMD_NODENAME"], "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "job": os.environ["SLURM_JOB_ID"], "pid": os.getpid(), "tmp": os.environ["TMPDIR"]}


def ask_every_node(gpus):
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
    alive = [node for node in ray.nodes() if node["Alive"]]
    task = ray.remote(num_gpus=gpus)(describe)
    seen = ray.get([task.options(scheduling_strategy=On(node["NodeID"], soft=False)).remote()
                    for node in alive])
    return alive, seen


def hold(config):
    import ray
    alive, seen = ask_every_node(config.gpus)
    view = {"head": describe(), "tasks": seen, "resources": ray.cluster_resources(),
            "nodes": [[node["NodeManagerHostname"], node["Resources"]] for node in alive],
            "gcs": ray.get_runtime_context().gcs_address,
            "token_file": os.environ["RAY_AUTH_TOKEN_PATH"]}
    started = pathlib.Path(config.folder, config.name + ".started")
    started.with_suffix(".part").write_text(json.dumps(view))
    started.with_suffix(".part").rename(started)
    deadline = time.monotonic() + config.hold_s
    while not pathlib.Path(config.folder, "release").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody let this experiment go")
        time.sleep(0.05)
    return {"nodes": len(alive), "gpus": ray.cluster_resources().get("GPU", 0)}


def plain(config):
    _alive, seen = ask_every_node(config.gpus)
    return {"nodes": len({task["node"] for task in seen})}
"""
SETTINGS = {
    "exclusive": False,
    "cpus_per_task": 1,
    "mem_per_cpu": "500MB",
    "gpus_per_task": 0,
    "time_limit": "00:10:00",
    "poll_interval_s": 1.0,
}
_SUBMIT = """
import json
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
runner = SlurmRunner(SlurmConfig(**{settings!r}))
spawned = runner.spawn_experiment({config!r})
print(json.dumps([spawned.run_id, spawned.job_id]))
"""
_RESULT = """
import dataclasses, json
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
result = SlurmRunner(SlurmConfig(**{settings!r})).get_result({run_id!r})
print(json.dumps(dataclasses.asdict(result)))
"""
_UNTIL_STARTED_S = 200.0


@dataclass(frozen=True)
class ManagedJob:
    """A submitted run."""

    login: Login
    name: str
    run_id: str
    job_id: str
    settings: dict[str, Any]

    @classmethod
    def submit(
        cls,
        login: Login,
        name: str,
        *,
        function: str = "hold",
        gpus: float = 0,
        hold_s: float = 150,
        **settings: Any,
    ) -> "ManagedJob":
        """Submit one of the experiments above, with these SlurmConfig fields."""
        login.write("lab.py", EXPERIMENTS)
        config = {
            "experiment": {"_target_": f"lab:{function}"},
            "folder": str(login.folder),
            "name": name,
            "gpus": gpus,
            "hold_s": hold_s,
        }
        merged = {**SETTINGS, "ray_bootstrap": "managed", **settings}
        run_id, job_id = login.python(_SUBMIT.format(settings=merged, config=config))
        return cls(login, name, run_id, job_id, merged)

    def started(self) -> dict[str, Any]:
        """What the experiment saw, once it holds."""
        name = f"{self.name}.started"
        wait_until(
            lambda: (self.login.host_folder / name).exists() or self.has_ended(),
            timeout_s=_UNTIL_STARTED_S,
            what=f"{self.name} to start; its log:\n{self.log()}",
        )
        assert (self.login.host_folder / name).exists(), self.log()
        view: dict[str, Any] = json.loads(self.login.read(name))
        return view

    def release(self) -> None:
        """Let every experiment of this login's folder return."""
        self.login.write("release", "")

    def result(self, *, timeout_s: float = 120) -> dict[str, Any]:
        """The result, once there is one."""
        code = _RESULT.format(settings=self.settings, run_id=self.run_id)
        result: dict[str, Any] = self.login.python(code, timeout_s=timeout_s)
        return result

    def phases(self) -> dict[str, float]:
        """When the job got how far; the first time counts."""
        found: dict[str, float] = {}
        for line in self.login.read(f"slurm_outputs/{self.run_id}/1/phases").splitlines():
            name, at, _host = line.split()
            found.setdefault(name, float(at))
        return found

    def has_ended(self) -> bool:
        return (self.login.host_folder / f"slurm_outputs/.ended/{self.run_id}.1.json").exists()

    def log(self) -> str:
        """Both logs, for messages."""
        names = (f"slurm_outputs/{self.run_id}.out", f"slurm_outputs/{self.run_id}.err")
        there = [name for name in names if (self.login.host_folder / name).exists()]
        return "\n".join(self.login.read(name) for name in there)


def leftovers(cluster: Cluster, node: str, *, user: str) -> list[str]:
    """What is of `user` on a node: processes, temporary files, shared memory."""
    script = (
        "ps -u $1 -o pid=,args= | cut -c -160 | sed 's/^/process /'; "
        "find /tmp /dev/shm -mindepth 1 -user $1 | sed 's/^/file /'"
    )
    done = cluster.run(
        ["bash", "-c", script, "-", user], user="root", machine=node, timeout_s=30, check=True
    )
    return done.stdout.splitlines()


def wait_for_clean_nodes(
    cluster: Cluster, nodes: list[str], *, user: str, timeout_s: float = 30
) -> None:
    """Until nothing of `user` is on these nodes; fails with what is."""
    wait_until(
        lambda: not any(leftovers(cluster, node, user=user) for node in nodes),
        timeout_s=timeout_s,
        what="nodes without leftovers",
        explain=lambda: str({node: leftovers(cluster, node, user=user) for node in nodes}),
    )


def files_with(text: str, folder: Path) -> list[Path]:
    """Files below a folder that hold this text."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in files if text.encode() in path.read_bytes())


def pids(cluster: Cluster, node: str, pattern: str) -> list[int]:
    """Processes of a node whose command line matches, oldest first."""
    done = cluster.run(["pgrep", "-f", pattern], user="root", machine=node)
    return [int(pid) for pid in done.stdout.split()]


def kill(cluster: Cluster, node: str, pid: int) -> None:
    """SIGKILL, as root."""
    cluster.run(["kill", "-KILL", str(pid)], user="root", machine=node, check=True)


def wait_until(
    condition: Callable[[], bool],
    *,
    timeout_s: float,
    what: str,
    explain: Callable[[], str] = lambda: "",
) -> None:
    """Look every tenth of a second; an AssertionError that says `what` was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}; {explain()}"
        time.sleep(0.1)
