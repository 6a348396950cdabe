"""Several containers as one Ray cluster, by Modal's clusters (`modal.clustered`).

Every container of the cluster gets the same parcel. The first starts Ray's head and runs the
experiment as a single container would; the others are Ray's workers until the head is gone.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tmgg.experiment_utils.cloud.modal.bounded import within
from tmgg.experiment_utils.cloud.modal.container import (
    CLAIM_WITHIN_S,
    claim,
    current_call_id,
    report_end,
    run_claimed,
)
from tmgg.experiment_utils.cloud.modal.parcel import Envelope, Parcel

RAY_PORT = 6379
START_WITHIN_S = 180.0
STOP_WITHIN_S = 30.0
LOOK_EVERY_S = 1.0
# Of looks in a row; a head that is busy may miss one.
GONE_AFTER = 5
_RAY_START = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block")


class RayStartError(Exception):
    """Ray's nodes did not become one cluster in time."""


def run_parcel_on_cluster(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The deployed function of a cluster; Modal returns what the first container returns."""
    import modal  # see container

    cluster = modal.Cluster.from_context()
    addresses = list(cluster.container_ips(family="ipv4"))
    if cluster.container_rank() > 0:
        work_for(addresses[0])
        return {}
    return _run_as_head(Parcel.from_plain(plain), addresses[0], len(addresses)).to_plain()


def _run_as_head(parcel: Parcel, host: str, nodes: int) -> Envelope:
    call_id = current_call_id()
    owner = within(CLAIM_WITHIN_S, claim(parcel.token, call_id))
    if owner != call_id:
        return Envelope(owner=owner)
    try:
        with ray_head(host, nodes=nodes) as address:
            return run_claimed(parcel, call_id, address)
    except RayStartError as error:
        return report_end(parcel, call_id, stage="ray", words=str(error))


@contextmanager
def ray_head(host: str, *, nodes: int) -> Iterator[str]:
    """Ray's head in this container, once all nodes have joined; its address."""
    address = f"{host}:{RAY_PORT}"
    options = ["--head", f"--port={RAY_PORT}", f"--node-ip-address={host}"]
    head = _start_ray(*options, "--include-dashboard=false")
    try:
        _wait_for_nodes(address, nodes)
        yield address
    finally:
        _stop(head)


def _wait_for_nodes(address: str, nodes: int) -> None:
    argv = [sys.executable, "-m", __name__, address, str(nodes)]
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=START_WITHIN_S, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise RayStartError(f"Ray's {nodes} nodes did not come together: {error}") from error


def work_for(host: str) -> None:
    """Be a worker of the head there until it is gone."""
    deadline = time.monotonic() + START_WITHIN_S
    while not _reachable(host):
        if time.monotonic() > deadline:
            return
        time.sleep(LOOK_EVERY_S)
    worker = _start_ray(f"--address={host}:{RAY_PORT}")
    try:
        missed = 0
        while missed < GONE_AFTER and worker.poll() is None:
            time.sleep(LOOK_EVERY_S)
            missed = 0 if _reachable(host) else missed + 1
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


def _reachable(host: str) -> bool:
    try:
        socket.create_connection((host, RAY_PORT), timeout=LOOK_EVERY_S).close()
    except OSError:
        return False
    return True


def main(address: str, nodes: int) -> None:
    """Return once so many nodes are in the cluster. Runs until then, or until it is ended."""
    import ray  # a second to import, and only for clusters

    ray.init(address=address, logging_level="WARNING", log_to_driver=False)
    while sum(bool(node["Alive"]) for node in ray.nodes()) < nodes:
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
