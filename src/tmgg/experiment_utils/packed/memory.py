"""Whether the kernel killed for want of memory in this job; Linux control groups, 1 and 2."""

import re
from pathlib import Path

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def count_oom_kills(
    *, root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> int:
    """Processes of this process's control group killed so far; 0 where nothing is told."""
    try:
        found = [_count(root / path) for path in event_files(own.read_text())]
    except OSError:
        return 0
    return max(found, default=0)


def event_files(text: str) -> list[str]:
    """Where the counter may be, below the mount point, by cgroups(7)'s /proc/PID/cgroup."""
    files = []
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        group = path.strip("/")
        if controllers == "":
            files.append(f"{group}/memory.events")
        elif "memory" in controllers.split(","):
            files.append(f"memory/{group}/memory.oom_control")
    return files


def _count(path: Path) -> int:
    try:
        found = _COUNT.search(path.read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
