"""Breaking the cluster for the length of a `with` block, and mending it whatever happens."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from slurm_cluster import Cluster, ClusterError
from slurm_cluster.addresses import LOGIN
from slurm_cluster.cgroups import require_memory_controller
from slurm_cluster.processes import run_host
from slurm_cluster.users import find_user
from tests.slurm.login import Login

# For clients: Slurm's own commands try for 9 to 18 s before they say that the controller does not
# answer.
IMPATIENT = {"query_timeout_s": 2}


@contextlib.contextmanager
def without(cluster: Cluster, daemon: str) -> Iterator[None]:
    """A daemon of the controller is down."""
    cluster.stop_daemon(daemon)
    try:
        yield
    finally:
        cluster.start_daemon(daemon)


@contextlib.contextmanager
def settings(cluster: Cluster, **lines: str) -> Iterator[None]:
    """Other lines in slurm.conf; an empty one removes the line."""
    cluster.reconfigure(**lines)
    try:
        yield
    finally:
        cluster.reconfigure(**dict.fromkeys(lines))


def has_memory_limits() -> bool:
    """Whether this machine's Slurm can enforce what jobs ask for."""
    try:
        require_memory_controller()
    except ClusterError:
        return False
    return True


@contextlib.contextmanager
def memory_limits(cluster: Cluster) -> Iterator[None]:
    """Slurm enforces what jobs ask for, with control groups."""
    before = cluster.options
    cluster.options = replace(before, constrain_memory=True)
    try:
        cluster.up()
        yield
    finally:
        cluster.options = before
        cluster.up()


@contextlib.contextmanager
def power_off(cluster: Cluster, node: str, *, silent: bool = False) -> Iterator[None]:
    """A compute node has no power; `silent`: nor a network to tell it by."""
    cluster.power_off(node, silent=silent)
    try:
        yield
    finally:
        cluster.power_on(node)


@contextlib.contextmanager
def small_disk(login: Login, name: str, *, kilobytes: int = 1024) -> Iterator[None]:
    """A folder of the user's is a small file system of its own, the same on all machines."""
    cluster, folder = login.cluster, login.folder / name
    login.write(f"{name}/.place", "")
    image = cluster.shared / f"disk-{secrets.token_hex(4)}"
    image.write_bytes(bytes(kilobytes * 1024))
    run_host(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "512", str(image)])
    device = run_host(["losetup", "--find", "--show", str(image)]).stdout.strip()
    names = [LOGIN, *cluster.options.node_names]
    try:
        # Mounting one device again shows the same file system, as a network folder is the same.
        run_host(["mount", device, str(login.host_folder / name)])
        for machine in map(cluster.machine, names):
            machine.run_as_root(["mount", "-n", device, str(folder)])
        person = find_user(login.user)
        os.chown(login.host_folder / name, person.uid, person.uid)
        yield
    finally:
        for machine in map(cluster.machine, names):
            machine.run_as_root(["umount", "-n", "--lazy", str(folder)], check=False)
        run_host(["umount", "--lazy", str(login.host_folder / name)])
        run_host(["losetup", "--detach", device])
        image.unlink()


def fill(folder: Path) -> Path:
    """Leave no room on the file system, nor in its logs; the file to delete to have some again."""
    filler = folder / ".filler"
    # Once written back, what the file system had set aside for later is free again.
    while sum(map(_append_until_full, (filler, *folder.glob("*.out"), *folder.glob("*.err")))):
        run_host(["sync", "--file-system", str(filler)])
    return filler


def _append_until_full(path: Path) -> int:
    """How many bytes there was room for."""
    with path.open("ab", buffering=0) as stream:
        before = stream.tell()
        for size in (65536, 1024, 1):
            with contextlib.suppress(OSError):
                while True:
                    stream.write(b"\n" * size)
        return stream.tell() - before
