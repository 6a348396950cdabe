"""The Debian packages that a cluster needs."""

import contextlib
import os
import subprocess
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
    # For the small disks that tests fill; a bare Debian 13 is without it.
    "e2fsprogs": "/usr/sbin/mkfs.ext4",
}
# The rest is in the release's own root.
_NEEDED_FOR_ROOTS = {"mmdebstrap": "/usr/bin/mmdebstrap", "iproute2": "/usr/sbin/ip"}
_NEEDED_FOR_NETWORK_FOLDER = {"python3-pyfuse3": "/usr/lib/python3/dist-packages/pyfuse3*"}
_POLICY = Path("/usr/sbin/policy-rc.d")


def missing_packages(release: str | None = None, *, network_folder: bool = True) -> list[str]:
    """Those whose main file is not there; with a `release`, of what its machines need here."""
    needed = _NEEDED if release is None else _NEEDED_FOR_ROOTS
    if network_folder:
        needed = needed | _NEEDED_FOR_NETWORK_FOLDER
    return [
        package
        for package, pattern in needed.items()
        if not any(Path("/").glob(pattern.removeprefix("/")))
    ]


def unusable_reason() -> str | None:
    """Why no cluster can run on this machine; None when it can."""
    if os.geteuid() != 0:
        return "a cluster needs root (namespaces, mounts)"
    release = Path("/etc/os-release")
    if not release.exists() or "ID=debian" not in release.read_text().splitlines():
        return "a cluster needs Debian (12 or 13, with its Slurm packages)"
    return None


def install_missing(release: str | None = None, *, network_folder: bool = True) -> list[str]:
    """Install what is missing without starting any service; the names installed.

    With a `release`, also make the root of its machines.
    """
    missing = missing_packages(release, network_folder=network_folder)
    if missing:
        with _no_service_starts():
            _apt_get("update")
            _apt_get("install", "--yes", "--no-install-recommends", *missing)
    if release is not None:
        make_root(release)
    return missing


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(
        ["apt-get", "--quiet", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        timeout=900,
        check=False,
    )
    if result.returncode != 0:
        raise ClusterError(
            f"apt-get {' '.join(arguments)} failed: {(result.stderr or result.stdout)[-2000:]}"
        )


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian's packages start their daemons unless this file forbids it."""
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
