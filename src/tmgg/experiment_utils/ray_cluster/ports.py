"""Chooses the ports of Ray's processes on this node.

The job's range of ports is divided into blocks. A job owns a block by listening on its first port:
this is atomic, works between users who share only the node, and ends with the process. Each port of
the block is probed nevertheless, because other software does not know about the blocks.
"""

import errno
import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

BLOCK_PORTS = 200
# Ray's own processes. The first port of a block is for none of them: it is the claim.
COMPONENTS = (
    "gcs",
    "node_manager",
    "object_manager",
    "runtime_env_agent",
    "dashboard_agent_http",
    "dashboard_agent_grpc",
    "metrics_export",
    "dashboard",
    "ray_client",
    "dashboard_metrics",
    "autoscaler_metrics",
)
# Ports for worker processes, per CPU: one worker, and room for actors that use a part of a CPU, for
# Ray's own workers that spill objects, and for the driver.
WORKERS_PER_CPU = 8
LEAST_WORKER_PORTS = 100

PortTest = Callable[[int], bool]


class PortsTakenError(Exception):
    """Too few free ports for Ray; the message names the range that was searched."""


@dataclass(frozen=True, slots=True)
class PortWishes:
    """The ports that the config asks for."""

    range: tuple[int, int]
    """First and last port the job may use."""
    gcs: int | None = None
    """Preferred port of the head; None for any port of the range."""
    workers: tuple[int, int] | None = None
    """Preferred ports of worker processes; None for any ports of the range."""


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One port for each of Ray's components, and a range for its workers."""

    components: dict[str, int]
    workers: tuple[int, int]
    notes: tuple[str, ...] = ()
    """Messages about wishes that could not be met."""


@dataclass
class Block:
    """Ports `first` to `last`, owned while the sockets are open."""

    first: int
    last: int
    claims: list[socket.socket]

    @property
    def listener(self) -> socket.socket:
        """Listens on the block's first port, on all interfaces."""
        return self.claims[0]

    def release(self) -> None:
        for claim in self.claims:
            claim.close()


def worker_ports_needed(cpus: int) -> int:
    return max(LEAST_WORKER_PORTS, WORKERS_PER_CPU * cpus)


def claim_block(
    wishes: PortWishes, *, seed: int, workers: int, avoid: Collection[int] = ()
) -> Block:
    """Claim a block that no other job has; the search begins at a block chosen by `seed`.

    `avoid` are the first ports of blocks that did not work. Raises PortsTakenError.
    """
    first, last = wishes.range
    every = block_starts(first, last, seed=seed, workers=workers)
    blocks = [block for block in every if not _has_wishes(block, wishes)]
    if not blocks:
        raise PortsTakenError(
            f"ports {first} to {last} leave no room beside slurm_ray_port and the worker ports. "
            "Choose these outside of the range, or give the job a larger range with "
            "slurm_min_job_port and slurm_max_job_port"
        )
    for start, end in blocks:
        if start in avoid:
            continue
        claims = _claim(range(start, end + 1, BLOCK_PORTS))
        if claims:
            return Block(start, end, claims)
    raise PortsTakenError(
        f"all ports {first} to {last} are in use on this node; give the job other ports with "
        "slurm_min_job_port and slurm_max_job_port"
    )


def block_starts(first: int, last: int, *, seed: int, workers: int) -> Iterator[tuple[int, int]]:
    """First and last port of each block in the range, in the order to try them."""
    needed = 1 + len(COMPONENTS) + workers
    size = min(-(-needed // BLOCK_PORTS) * BLOCK_PORTS, last - first + 1)
    count = (last - first + 1) // size
    for step in range(count):
        start = first + (seed + step) % count * size
        yield start, start + size - 1


def plan_ports(
    block: tuple[int, int], wishes: PortWishes, *, workers: int, free: PortTest
) -> PortPlan:
    """Ports for every component: the wished one if it is free, else one of `block`.

    Raises PortsTakenError if the block has too few free ports.
    """
    notes = []
    candidates = (port for port in range(block[0] + 1, block[1] + 1) if free(port))
    components = {}
    for name in COMPONENTS:
        if name == "gcs" and wishes.gcs is not None:
            if free(wishes.gcs):
                components[name] = wishes.gcs
                continue
            notes.append(f"port {wishes.gcs} (slurm_ray_port) is taken")
        components[name] = _next(candidates, block)
    worker_range = (max(p for p in (*components.values(), block[0]) if p <= block[1]) + 1, block[1])
    if wishes.workers is not None:
        room = sum(1 for port in range(wishes.workers[0], wishes.workers[1] + 1) if free(port))
        if room >= workers:
            worker_range = wishes.workers
        else:
            first, last = wishes.workers
            notes.append(
                f"of the worker ports {first} to {last} only {room} are free and {workers} needed"
            )
    if worker_range[1] - worker_range[0] + 1 < 2:
        raise PortsTakenError(f"ports {block[0]} to {block[1]} are in use on this node")
    return PortPlan(components, worker_range, tuple(notes))


def is_free(port: int) -> bool:
    """Whether a server could listen on `port`, on all interfaces, right now."""
    probe = _listen(port)
    if probe is None:
        return False
    probe.close()
    return True


def _claim(ports: range) -> list[socket.socket]:
    claims: list[socket.socket] = []
    for port in ports:
        claim = _listen(port)
        if claim is None:
            for other in claims:
                other.close()
            return []
        claims.append(claim)
    return claims


def _listen(port: int) -> socket.socket | None:
    # With IPv6, Ray's servers listen on ::, which takes the port of both families.
    for family, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
        try:
            server = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            continue  # no such protocol on this machine
        try:
            # Otherwise a port would count as used because of connections of a server that has just
            # ended. With this option two sockets can be bound, but only one can listen.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind((address, port))
            server.listen(128)
        except OSError as error:
            server.close()
            if error.errno == errno.EADDRNOTAVAIL:
                continue  # the protocol exists but is switched off
            return None
        return server
    return None


def _next(candidates: Iterator[int], block: tuple[int, int]) -> int:
    port = next(candidates, None)
    if port is None:
        raise PortsTakenError(f"ports {block[0]} to {block[1]} are in use on this node")
    return port


def _has_wishes(block: tuple[int, int], wishes: PortWishes) -> bool:
    gcs = () if wishes.gcs is None else ((wishes.gcs, wishes.gcs),)
    workers = () if wishes.workers is None else (wishes.workers,)
    return any(block[0] <= last and first <= block[1] for first, last in (*gcs, *workers))
