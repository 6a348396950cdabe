"""A folder as two clients of a network file system have it, each with caches of its own."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slurm_cluster.network_mount import mount_command
from slurm_cluster.packages import missing_packages
from slurm_cluster.processes import wait_until


@dataclass(frozen=True)
class Clients:
    """The server's folder, and where two clients have it."""

    server: Path
    a: Path
    b: Path


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("mounting needs root and /dev/fuse")
    if "python3-pyfuse3" in missing_packages(network_folder=True):
        pytest.skip("python3-pyfuse3 is missing; `python3 -m slurm_cluster install` installs it")
    folders = Clients(*(tmp_path / name for name in ("server", "a", "b")))
    processes = []
    for folder in (folders.server, folders.a, folders.b):
        folder.mkdir()
        folder.chmod(0o777)
        if folder != folders.server:
            argv = mount_command(str(folders.server), str(folder))
            processes.append(subprocess.Popen(argv))
            wait_until(folder.is_mount, timeout_s=15, what=str(folder))
    try:
        yield folders
    finally:
        for folder, process in zip((folders.a, folders.b), processes, strict=True):
            subprocess.run(["umount", "--lazy", str(folder)], check=False, timeout=10)
            process.kill()
            process.wait()
