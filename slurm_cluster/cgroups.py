"""Control groups, by which Slurm finds every process of a job, also one that left its process tree.

Each machine gets its own group in the host's cgroup v1 hierarchies and sees it as the whole
hierarchy. So the nodes called node1 of two clusters have different groups. Slurm 22.05 can use
cgroup v2 only if systemd manages slurmd, and the machines here have no systemd. On a host with v2
only, Slurm follows the process tree instead: a daemon that leaves its tree survives its job.
"""

import contextlib
import functools
import hashlib
from pathlib import Path

from slurm_cluster.errors import ClusterError
from slurm_cluster.processes import wait_until

_ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("freezer", "memory")


def process_tracking() -> str:
    """The ProctrackType that works on this host."""
    return "proctrack/cgroup" if _has("freezer") else "proctrack/linuxproc"


def require_memory_controller() -> None:
    """Raises ClusterError unless this host can limit the memory of jobs."""
    if not (_has("freezer") and _has("memory")):
        raise ClusterError(
            "memory can be constrained only where cgroup v1 has a memory controller; "
            f"{_ROOT}/memory is not one"
        )


def cgroup_binds(cluster_root: Path, machine: str) -> list[tuple[Path, str]]:
    """Make the machine's groups. Returns (host folder, folder in the machine) for each."""
    binds = []
    for controller in _CONTROLLERS:
        if _has(controller):
            group = _group(controller, cluster_root, machine)
            group.mkdir(parents=True, exist_ok=True)
            binds.append((group, str(_ROOT / controller)))
    return binds


def remove_cgroups(cluster_root: Path, machine: str) -> None:
    """Remove the groups of a machine that is off."""
    for controller in _CONTROLLERS:
        group = _group(controller, cluster_root, machine)
        if group.exists():
            wait_until(
                functools.partial(_remove_tree, group),
                timeout_s=10,
                what=f"the processes in {group} to end",
            )
            with contextlib.suppress(OSError):  # other machines are still there
                group.parent.rmdir()


def _has(controller: str) -> bool:
    return (_ROOT / controller / "cgroup.procs").exists()


def _group(controller: str, cluster_root: Path, machine: str) -> Path:
    digest = hashlib.sha256(str(cluster_root).encode()).hexdigest()[:8]
    return _ROOT / controller / f"tmgg-slurm-{digest}" / machine


def _remove_tree(group: Path) -> bool:
    """Remove the group and all groups below it. Returns whether that worked.

    It does not work at once, as the kernel empties groups with a delay.
    """
    folders = sorted(group.rglob("*/"), key=lambda folder: len(folder.parts), reverse=True)
    try:
        for folder in [*folders, group]:
            folder.rmdir()
    except OSError:
        return False
    return True
