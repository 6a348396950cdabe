"""Slurm of another Debian release than the host's: a Debian root whose programs the machines run.

A root is made once (under a minute, about 900 MB) and kept; every cluster of the release shares it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from slurm_cluster.errors import ClusterError

HOST = Path("/")
"""The root of machines that run the host's own programs."""
RELEASES = ("bookworm", "trixie", "forky", "sid")
"""Debian releases whose Slurm is 22.05 or newer. bookworm has 22.05 and trixie has 24.11; that of
forky and sid changes."""

_ROOTS = Path("/var/lib/tmgg-slurm-roots")
_MIRROR = "http://deb.debian.org/debian"
_PACKAGES = (
    "slurmctld", "slurmd", "slurm-client", "slurmdbd", "slurm-wlm-mysql-plugin", "munge",
    "mariadb-server", "tini", "iproute2", "procps",
    "python3",  # for its libraries: jobs use the host's interpreter
    "e2fsprogs",
)  # fmt: skip
# Tests must also run with a mirror that is out of date; signatures are still checked.
_APT_OPTION = 'Acquire::Check-Valid-Until "false"'


def root_of(release: str | None) -> Path:
    """The folder that has the programs of a release; None stands for the host's own programs."""
    return HOST if release is None else _ROOTS / release


def make_root(release: str) -> Path:
    """The root of a release; it is made if it does not exist. Raises ClusterError if that fails."""
    root = root_of(release)
    if root.exists():
        return root
    unfinished = root.with_name(f"{root.name}.{os.getpid()}.unfinished")
    _ROOTS.mkdir(parents=True, exist_ok=True)
    try:
        _debootstrap(release, unfinished)
        if not root.exists():  # another process may have made it meanwhile
            unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return root


def system_user(root: Path, name: str) -> tuple[int, int]:
    """The ids of a system user and of its group, which Debian's packages made in `root`."""
    for line in (root / "etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    raise ClusterError(f"there is no user {name} in {root / 'etc/passwd'}")


def slurm_version(root: Path) -> tuple[int, int]:
    """Slurm's release in `root`, as (24, 11)."""
    admin = f"--admindir={root / 'var/lib/dpkg'}"
    answer = subprocess.run(
        ["dpkg-query", admin, "--show", "--showformat=${Version}", "slurmctld"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = re.match(r"(\d+)\.(\d+)", answer.stdout)
    if found is None:
        raise ClusterError(f"slurmctld is not installed in {root}: {answer.stderr.strip()}")
    return int(found[1]), int(found[2])


def python_binds() -> list[tuple[Path, str]]:
    """What machines with a root other than the host's need of the host's Python.

    Returns (path on the host, path in the machine); empty if the Python is not Debian's.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if Path(sys.base_prefix) != Path("/usr"):
        return []  # the Python is exposed like any other folder
    return [
        (Path("/usr/bin") / version, f"/usr/bin/{version}"),
        # What virtual environments link to; the root's own link leads to another version.
        (Path("/usr/bin") / version, "/usr/bin/python3"),
        (Path("/usr/lib") / version, f"/usr/lib/{version}"),
    ]


def _debootstrap(release: str, target: Path) -> None:
    command = [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--aptopt={_APT_OPTION}",
        f"--include={','.join(_PACKAGES)}", release, str(target), _MIRROR,
    ]  # fmt: skip
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900,
        check=False,
    )
    if result.returncode != 0:
        words = (result.stderr or result.stdout).strip()[-2000:]
        raise ClusterError(f"cannot make a root of Debian {release}: {words}")
    # Replace the link by a file, over which the host's interpreter is bound. Over the link, the
    # bind would hide the file to which the link leads.
    link = target / "usr/bin/python3"
    link.unlink()
    link.touch()
