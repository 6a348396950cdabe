"""Names of processes that no other process has, or ever had."""

import functools
import os
import socket
from pathlib import Path


@functools.cache
def process_scope() -> str:
    """Where this process's pid is valid: boot, PID namespace and user; "" if not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - not a path
    except OSError:
        return ""
    # /proc may hide the processes of other users.
    return f"{boot} {namespace} {os.getuid()}"


def is_of_another_namespace(scope: str) -> bool:
    """Whether `scope` is of this boot of the machine, but of another PID namespace.

    False if either scope is not known, and after a reboot, which no process survives.
    """
    there, here = scope.split()[:2], process_scope().split()[:2]
    return len(there) == len(here) == 2 and there[0] == here[0] and there[1] != here[1]


def process_start(pid: int) -> str:
    """Start time of a living process in clock ticks since boot (proc(5), field 22), else "".

    Raises OSError if /proc cannot be read (no file descriptor is left, for example).
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *fields = text.rpartition(")")[2].split()
    # A zombie has ended; its parent, which may be this process, has not waited for it yet.
    return "" if state in "ZX" else fields[18]


def process_name(pid: int) -> str:
    """A process's id, start time and host: no other process ever has this name."""
    return f"{pid}.{process_start(pid)}@{socket.gethostname()}"


def start_of_this_process() -> str:
    """See `process_start`."""
    return process_start(os.getpid())
