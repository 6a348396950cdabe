"""The command line and environment of `ray start`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.job.gpu_variables import translated
from tmgg.experiment_utils.job.job_environment import with_own
from tmgg.experiment_utils.job.slurm_step import without_step
from tmgg.experiment_utils.ray_cluster.ports import PortPlan

# Ray's minimum is 75 MiB; Ray's default share of memory is 30 %.
LEAST_OBJECT_STORE_BYTES = 80 * 1024**2
_OBJECT_STORE_SHARE = 0.3
_SHARED_MEMORY_SHARE = 0.9
# If these were inherited, Ray would use another cluster, or another token than the job's.
_FOREIGN = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_REDIS_ADDRESS", "RAY_NAMESPACE", "RAY_JOB_CONFIG")
_DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray measures the whole machine, so on a shared node it would kill workers because of the
    # memory of other jobs. Slurm limits the memory of this job.
    "RAY_memory_monitor_refresh_ms": "0",
}
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """The job's part of this node."""

    cpus: int
    gpus: int
    memory_bytes: int
    object_store_bytes: int


def divide(
    *, cpus: int, gpus: int, memory_bytes: int, shared_memory_bytes: int, asked_bytes: int | None
) -> Share:
    """The job's memory on this node, divided between Ray's object store and everything else.

    `shared_memory_bytes` is the free space of /dev/shm, which holds the object store. The store's
    pages count as memory of the job.
    """
    store = asked_bytes or int(memory_bytes * _OBJECT_STORE_SHARE)
    store = max(
        LEAST_OBJECT_STORE_BYTES, min(store, int(shared_memory_bytes * _SHARED_MEMORY_SHARE))
    )
    return Share(
        cpus=cpus,
        gpus=gpus,
        memory_bytes=max(memory_bytes - store, LEAST_OBJECT_STORE_BYTES),
        object_store_bytes=store,
    )


def render_start(
    plan: PortPlan,
    share: Share,
    *,
    own_address: str,
    head_address: str | None,
    ray_client: bool,
    dashboard: bool = False,
) -> list[str]:
    """The arguments of `ray`, for the head if `head_address` is None.

    `ray_client`: this Ray serves ray://, so the port must be given; else it would use a fixed one.
    """
    ports = plan.components
    where = (
        [
            "--head",
            f"--port={ports['gcs']}",
            f"--include-dashboard={str(dashboard).lower()}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={ports['dashboard']}",
            *([f"--ray-client-server-port={ports['ray_client']}"] if ray_client else []),
        ]
        if head_address is None
        else [f"--address={head_address}"]
    )
    return [
        "start",
        *where,
        f"--node-ip-address={own_address}",
        f"--num-cpus={share.cpus}",
        f"--num-gpus={share.gpus}",
        f"--memory={share.memory_bytes}",
        f"--object-store-memory={share.object_store_bytes}",
        f"--node-manager-port={ports['node_manager']}",
        f"--object-manager-port={ports['object_manager']}",
        f"--runtime-env-agent-port={ports['runtime_env_agent']}",
        f"--dashboard-agent-listen-port={ports['dashboard_agent_http']}",
        f"--dashboard-agent-grpc-port={ports['dashboard_agent_grpc']}",
        f"--metrics-export-port={ports['metrics_export']}",
        f"--min-worker-port={plan.workers[0]}",
        f"--max-worker-port={plan.workers[1]}",
    ]


def render_environment(
    inherited: Mapping[str, str], *, scratch: Path, token: Path, interface: str | None
) -> dict[str, str]:
    """The environment of Ray and of the experiment, without the variables of a Slurm step."""
    environment = {
        name: value
        for name, value in translated(without_step(inherited)).items()
        if name not in _FOREIGN
    }
    own = {
        "RAY_TMPDIR": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
    }
    defaults = _DEFAULTS if interface is None else _DEFAULTS | dict.fromkeys(_INTERFACES, interface)
    own |= {name: environment.get(name, value) for name, value in defaults.items()}
    return with_own(environment, own)
