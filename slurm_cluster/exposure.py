"""Makes folders of the host readable in the machines although a folder above is private.

Inside the machines only, an empty file system covers the first private folder in the path. It has
nothing but the exposed folders, read-only and at the same absolute path.
"""

import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_cluster import boot
from slurm_cluster.errors import ClusterError
from slurm_cluster.machine import Machine
from slurm_cluster.releases import HOST

_COVER = "tmgg-cover"
_SYSTEM = Path("/usr")
_OWN_OF_MACHINES = tuple(map(Path, ("/tmp", "/var/tmp", "/var/log", "/run", "/dev/shm")))


@dataclass(frozen=True, slots=True)
class Exposure:
    """A folder to bind, and the private folder above it to cover first."""

    path: Path
    cover: Path | None


def plan_exposure(
    path: Path, is_open: Callable[[Path], bool], *, is_there: bool = True
) -> Exposure | None:
    """How to expose `path`; None if every user of a machine can reach it anyway.

    `is_open` tells whether others may enter a folder of the machine, `is_there` whether the machine
    has the host's folder at all.
    """
    if any(path.is_relative_to(own) for own in _OWN_OF_MACHINES):
        return Exposure(path, None)
    above = reversed(path.parents)
    private = next((folder for folder in above if not is_open(folder)), None)
    return None if private is None and is_there else Exposure(path, private)


def plan_exposures(paths: Sequence[Path], root: Path = HOST) -> list[Exposure]:
    """Plans for `paths` of this host. Raises ClusterError if one cannot be exposed.

    `root` is where the machines' own files come from.
    """
    plans = []
    for path in paths:
        if root != HOST and path == _SYSTEM:
            continue  # the machines have their own /usr, with the host's Python in it
        if not path.is_dir():
            raise ClusterError(f"cannot expose {path}: no such folder")
        resolved = path.resolve()
        if not _is_open(resolved):
            raise ClusterError(
                f"cannot expose {path}: the folder itself is closed to others; `chmod o+rx {path}`"
            )
        for each in dict.fromkeys((path.absolute(), resolved)):
            plan = plan_exposure(each, lambda f: _is_open_in(root, f), is_there=root == HOST)
            if plan is not None:
                plans.append(plan)
    return plans


def expose(machine: Machine, plans: Sequence[Exposure]) -> None:
    """Carry `plans` out in a running machine; a folder that is exposed already stays so."""
    mounted = _mount_points(machine.pid)
    for plan in plans:
        target = str(plan.path)
        if target in mounted:
            continue
        if plan.cover is not None and mounted.get(str(plan.cover)) != _COVER:
            machine.run_as_root(
                ["mount", "-n", "-t", "tmpfs", "-o", "mode=755", _COVER, str(plan.cover)]
            )
            mounted[str(plan.cover)] = _COVER
        machine.run_as_root(["mkdir", "-p", target])
        machine.run_as_root(["mount", "-n", "--bind", "-o", "ro", boot.HOST_ROOT + target, target])
        mounted[target] = target


def parse_mount_points(mountinfo: str) -> dict[str, str]:
    """The source of each mount point, from the text of /proc/PID/mountinfo."""
    points = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        points[_unescape(before.split()[4])] = _unescape(after.split()[1])
    return points


def _mount_points(pid: int) -> dict[str, str]:
    return parse_mount_points(Path(f"/proc/{pid}/mountinfo").read_text())


def _unescape(text: str) -> str:
    """Undo the kernel's octal escapes of blank, tab, newline and backslash."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _is_open_in(root: Path, folder: Path) -> bool:
    inside = root / folder.relative_to("/")
    return not inside.exists() or _is_open(inside)


def _is_open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)
