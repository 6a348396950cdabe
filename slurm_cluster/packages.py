"""The Debian packages that a cluster needs."""

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from slurm_cluster.errors import ClusterError
from slurm_cluster.releases import make_root

_NEEDED = {
    "slurmctld": "/usr/sbin/slurmctld",
    "slurmd": "/usr/sbin/slurmd",
    "slurm-client": "/usr/bin/sbatch",
    "slurmdbd": "/usr/sbin/slurmdbd",
    "slurm-wlm-mysql-plugin": "/usr/lib/*/slurm-wlm/accounting_storage_mysql.so",
    "munge": "/usr/sbin/munged",
    "mariadb-server": "/usr/sbin/mariadbd",
    "tini": "/usr/bin/tini",
    "iproute2": "/usr/sbin/ip",
    # For the small disks that tests fill; a minimal Debian 13 does not have it.
    "e2fsprogs": "/usr/sbin/mkfs.ext4",
}
# With a `release`, all other programs are in the release's root.
_NEEDED_FOR_ROOTS = {"mmdebstrap": "/usr/bin/mmdebstrap", "iproute2": "/usr/sbin/ip"}
_NEEDED_FOR_NETWORK_FOLDER = {"python3-pyfuse3": "/usr/lib/python3/dist-packages/pyfuse3*"}
_POLICY = Path("/usr/sbin/policy-rc.d")
_LOCK = Path("/run/tmgg-slurm-cluster-install.lock")
# A machine that has just booted may update itself for some minutes, and holds apt's locks then.
_LOCK_WAIT_S = 600.0


def missing_packages(release: str | None = None, *, network_folder: bool = True) -> list[str]:
    """The packages whose main file is missing on this host.

    With a `release`, only the packages that its machines need on this host are looked for.
    """
    needed = _NEEDED if release is None else _NEEDED_FOR_ROOTS
    if network_folder:
        needed = needed | _NEEDED_FOR_NETWORK_FOLDER
    return [
        package
        for package, pattern in needed.items()
        if not any(Path("/").glob(pattern.removeprefix("/")))
    ]


def unusable_reason() -> str | None:
    """Why no cluster can run on this machine; None if one can."""
    if os.geteuid() != 0:
        return "a cluster needs root (namespaces, mounts)"
    release = Path("/etc/os-release")
    if not release.exists() or "ID=debian" not in release.read_text().splitlines():
        return "a cluster needs Debian (12 or 13, with its Slurm packages)"
    return None


def install_missing(release: str | None = None, *, network_folder: bool = True) -> list[str]:
    """Install missing packages without starting any service. Returns their names.

    With a `release`, also makes the root of its machines.
    """
    missing = missing_packages(release, network_folder=network_folder)
    if missing:
        with _one_install_at_a_time(), _no_service_starts():
            apt_get("update")
            apt_get("install", "--yes", "--no-install-recommends", *missing)
    if release is not None:
        make_root(release)
    return missing


def apt_get(*arguments: str, lock_wait_s: float = _LOCK_WAIT_S, pause_s: float = 2.0) -> None:
    """Run apt-get, and again as long as another process holds apt's locks.

    Raises ClusterError if it fails. `DPkg::Lock::Timeout` (apt.conf(5)) would wait for dpkg's lock,
    but not for the lock of the package lists.
    """
    until = time.monotonic() + lock_wait_s
    while (result := _try_apt_get(arguments)).returncode != 0:
        words = (result.stderr or result.stdout)[-2000:]
        if "Could not get lock" not in words or time.monotonic() >= until:
            raise ClusterError(f"apt-get {' '.join(arguments)} failed: {words}")
        time.sleep(pause_s)


def _try_apt_get(arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", "--quiet", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        timeout=900,
        check=False,
    )


@contextlib.contextmanager
def _one_install_at_a_time() -> Iterator[None]:
    """Hold a lock: each of two installations would save the other's policy as the machine's own."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Have a file that forbids it: otherwise Debian's packages start their daemons."""
    saved = _POLICY.with_name("policy-rc.d.saved")
    if _POLICY.exists():
        _POLICY.rename(saved)
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
        if saved.exists():
            saved.rename(_POLICY)
