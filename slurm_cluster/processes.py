"""Processes of the host: finding those of a cluster, ending them, and waiting.

A pid alone does not identify a process, since the kernel gives it to another process later. So a
record also has the process's start time and the id of the host's boot.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slurm_cluster.errors import ClusterError

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process that was started by a cluster."""

    pid: int
    start_ticks: int
    boot_id: str

    def is_running(self) -> bool:
        """Whether this process still exists and is no zombie."""
        if self.boot_id != boot_id():
            return False
        stat = read_stat(self.pid)
        return stat is not None and stat.start_ticks == self.start_ticks and stat.state not in "ZX"

    def kill(self, *, timeout_s: float = 10) -> None:
        """Send SIGKILL and wait until the process has ended; nothing if it has ended already."""
        if not self.is_running():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        wait_until(
            lambda: not self.is_running(), timeout_s=timeout_s, what=f"the end of pid {self.pid}"
        )


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """The part of /proc/PID/stat that matters here."""

    command: str
    state: str
    start_ticks: int


def read_record(path: Path) -> ProcessRecord | None:
    """The record that a machine's first process wrote; None if there is none."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return ProcessRecord(values["pid"], values["start_ticks"], values["boot_id"])


def parse_stat(text: str) -> ProcessStat:
    """Parse the content of /proc/PID/stat; the command may contain blanks and brackets."""
    opening, closing = text.index("("), text.rindex(")")
    rest = text[closing + 2 :].split()
    return ProcessStat(text[opening + 1 : closing], rest[0], int(rest[19]))


def read_stat(pid: int) -> ProcessStat | None:
    """The stat of a process; None if there is no such process."""
    try:
        return parse_stat((_PROC / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def boot_id() -> str:
    """An id that changes with every boot of the host."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def pids_in_namespace_of(pid: int, command: str) -> list[int]:
    """Host pids of the processes called `command` in the pid namespace of `pid`."""
    namespace = _pid_namespace(pid)
    if namespace is None:
        return []
    return [
        other
        for other in _all_pids()
        if _pid_namespace(other) == namespace
        and (stat := read_stat(other)) is not None
        and stat.command == command
        and stat.state not in "ZX"
    ]


def wait_until(
    condition: Callable[[], bool], *, timeout_s: float, what: str, interval_s: float = 0.02
) -> None:
    """Return once `condition` is true. Raises ClusterError, naming `what`, after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(interval_s)


def run_host(
    argv: list[str], *, timeout_s: float = 30, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the host. Raises ClusterError, with its output, if it fails."""
    result = subprocess.run(
        argv, capture_output=True, text=True, input=stdin, timeout=timeout_s, check=False
    )
    if result.returncode != 0:
        raise ClusterError(
            f"`{' '.join(argv)}` ended with {result.returncode}: "
            f"{(result.stderr or result.stdout).strip()[-2000:]}"
        )
    return result


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 - speed


def _pid_namespace(pid: int) -> str | None:
    try:
        return os.readlink(_PROC / str(pid) / "ns/pid")  # noqa: PTH115 - not a path, an identity
    except OSError:
        return None
