"""How many processes the kernel killed for lack of memory; Linux control groups, versions 1, 2."""

import re
from collections.abc import Iterator
from pathlib import Path

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def count_oom_kills(proc: Path = Path("/proc/self")) -> int:
    """Processes of this control group that were killed so far; 0 if the kernel does not say."""
    try:
        groups, mounts = (proc / "cgroup").read_text(), (proc / "mountinfo").read_text()
        return max(map(_count, event_files(groups, mounts)), default=0)
    except OSError:
        return 0


def event_files(groups: str, mounts: str) -> list[Path]:
    """Files that may have the counter, from /proc/PID/cgroup and mountinfo (cgroups(7), proc(5)).

    A container may see only a part of the hierarchy; mountinfo says which part.
    """
    own = dict(_groups(groups))
    found = []
    for version, root, mount in _hierarchies(mounts):
        if version in own:
            inside = own[version].removeprefix(root.rstrip("/")).strip("/")
            name = "memory.events" if version == 2 else "memory.oom_control"
            found.append(Path(mount) / inside / name)
    return found


def _groups(text: str) -> Iterator[tuple[int, str]]:
    """This process's group in each hierarchy with a memory controller, with its version."""
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers == "":
            yield 2, path
        elif "memory" in controllers.split(","):
            yield 1, path


def _hierarchies(text: str) -> Iterator[tuple[int, str, str]]:
    """For each hierarchy: its version, the part of it that is visible, and its mount point."""
    for line in text.splitlines():
        mounted, _, filesystem = line.partition(" - ")
        kind, _source, options = filesystem.split(" ", 2)
        root, mount = mounted.split(" ")[3:5]
        if kind == "cgroup2":
            yield 2, root, mount
        elif kind == "cgroup" and "memory" in options.split(","):
            yield 1, root, mount


def _count(path: Path) -> int:
    try:
        found = _COUNT.search(path.read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
