"""Several containers as one Ray cluster, made with `modal.clustered`.

Every container of the cluster gets the same parcel. The first starts Ray's head and runs the
experiment as a single container would; the others are Ray's workers until the head has ended.
"""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tmgg.experiment_utils.cloud.modal.bounded import within
from tmgg.experiment_utils.cloud.modal.cancellations import hearing, held_back
from tmgg.experiment_utils.cloud.modal.container import (
    CLAIM_WITHIN_S,
    claim,
    current_call_id,
    report_end,
    run_claimed,
)
from tmgg.experiment_utils.cloud.modal.parcel import Envelope, Parcel, as_container_errors

# The head's port is chosen by the submission's token, so all its containers know it. The range is
# below the ports that the kernel gives out itself.
FIRST_PORT, PORTS = 20_000, 10_000
START_WITHIN_S = 180.0
STOP_WITHIN_S = 30.0
LOOK_EVERY_S = 1.0
# The head has ended if so many looks in a row fail; a busy head may miss one.
GONE_AFTER = 5
_RAY_START = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block")


class RayStartError(Exception):
    """Ray's nodes did not become one cluster in time."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where Ray's head listens."""

    host: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def run_parcel_on_cluster(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The deployed function of a cluster; Modal returns what the first container returns.

    Raises ContainerError.
    """
    with as_container_errors(), held_back():
        return _run_on_cluster(plain)


def _run_on_cluster(plain: Mapping[str, Any]) -> dict[str, Any]:
    import modal  # see container

    parcel = Parcel.from_plain(plain)
    cluster = modal.Cluster.from_context()
    hosts = list(cluster.container_ips(family="ipv4"))
    head = Head(hosts[0], FIRST_PORT + int(parcel.token[:8], 16) % PORTS)
    os.environ.update(_secured(parcel))
    if cluster.container_rank() > 0:
        work_for(head)
        return {}
    return _run_as_head(parcel, head, nodes=len(hosts)).to_plain()


def _run_as_head(parcel: Parcel, head: Head, *, nodes: int) -> Envelope:
    call_id = current_call_id()
    owner = hearing(lambda: within(CLAIM_WITHIN_S, claim(parcel.token, call_id)))
    if owner != call_id:
        return Envelope(owner=owner)
    try:
        with ray_head(head, nodes=nodes):
            return run_claimed(parcel, call_id, head.address)
    except RayStartError as error:
        return report_end(parcel, call_id, stage="ray", words=str(error))


def _secured(parcel: Parcel) -> dict[str, str]:
    """Variables with Ray's token, which only the containers of the submission can compute."""
    token = hashlib.sha256(f"ray {parcel.token}".encode()).hexdigest()
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


@contextmanager
def ray_head(head: Head, *, nodes: int) -> Iterator[None]:
    """Run Ray's head in this container; the block begins once all nodes have joined.

    Raises RayStartError.
    """
    options = ["--head", f"--port={head.port}", f"--node-ip-address={head.host}"]
    ray = _start_ray(*options, "--include-dashboard=false")
    try:
        _wait_for_nodes(ray, head.address, nodes)
        yield
    finally:
        _stop(ray)


def _wait_for_nodes(ray: subprocess.Popen[bytes], address: str, nodes: int) -> None:
    what = f"Ray's {nodes} nodes did not come together"
    deadline = time.monotonic() + START_WITHIN_S
    argv = [sys.executable, "-m", __name__, address, str(nodes)]
    watcher = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        while watcher.poll() is None:
            if ray.poll() is not None:
                raise RayStartError(f"{what}: the head ended with code {ray.returncode}")
            if time.monotonic() > deadline:
                raise RayStartError(f"{what} within {START_WITHIN_S:.0f} seconds")
            _pause()
    finally:
        watcher.kill()
        watcher.wait()
    if watcher.returncode != 0:
        raise RayStartError(
            f"{what}: the process that looked for them ended with code {watcher.returncode}"
        )


def work_for(head: Head) -> None:
    """Run a Ray worker of the head until the head has ended."""
    deadline = time.monotonic() + START_WITHIN_S
    while not _reachable(head):
        if time.monotonic() > deadline:
            return
        _pause()
    worker = _start_ray(f"--address={head.address}")
    try:
        missed = 0
        while missed < GONE_AFTER and worker.poll() is None:
            _pause()
            missed = 0 if _reachable(head) else missed + 1
    finally:
        _stop(worker)


def _start_ray(*options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*_RAY_START, *options], stdin=subprocess.DEVNULL)


def _stop(ray: subprocess.Popen[bytes]) -> None:
    ray.terminate()  # `--block` ends all of its node's processes
    try:
        ray.wait(timeout=STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        ray.kill()
        ray.wait()


def _pause() -> None:
    hearing(lambda: time.sleep(LOOK_EVERY_S))


def _reachable(head: Head) -> bool:
    try:
        socket.create_connection((head.host, head.port), timeout=LOOK_EVERY_S).close()
    except OSError:
        return False
    return True


def main(address: str, nodes: int) -> None:
    """Return once the cluster has `nodes` nodes. The caller ends this process at its time limit."""
    import ray  # takes a second to import, and only clusters need it

    ray.init(address=address, logging_level="WARNING", log_to_driver=False)
    while sum(bool(node["Alive"]) for node in ray.nodes()) < nodes:
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
