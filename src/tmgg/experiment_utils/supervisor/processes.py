"""The descendants of this process, also those in other sessions.

Linux only. A subreaper (prctl(2), since Linux 3.4) becomes the parent of its orphaned descendants.
So daemons that left their session remain descendants, and all descendants can be killed.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL = 1
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36
_PAUSE_S = 0.01
_LOOK_EVERY_S = 0.5


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Let the kernel send `number` to this process when `parent` dies, or now if it has died."""
    _prctl(_SET_PARENT_DEATH_SIGNAL, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def read_name() -> str:
    """The name of this process, as `ps` shows it."""
    return Path("/proc/self/comm").read_text().strip()


def set_name(name: str) -> None:
    """Set the name of this process, of which the kernel keeps 15 bytes."""
    _prctl(_SET_NAME, ctypes.create_string_buffer(name.encode()))


def descendants(root: int | None = None) -> dict[int, str]:
    """Pid and command name of all descendants of `root` (default: this process), also zombies."""
    table = _process_table()
    below: dict[int, str] = {}
    frontier = [os.getpid() if root is None else root]
    while frontier:
        parent = frontier.pop()
        for pid, (parent_pid, name) in table.items():
            if parent_pid == parent and pid not in below:
                below[pid] = name
                frontier.append(pid)
    return below


def kill_descendants(*, timeout_s: float, spare: Collection[int] = ()) -> dict[int, str]:
    """Kill all descendants except `spare` and their descendants.

    Returns those that still live after `timeout_s`. Reaps children that end meanwhile, except
    `spare`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        kept = set(spare).union(*(descendants(pid) for pid in spare))
        left = {pid: name for pid, name in descendants().items() if pid not in kept}
        if not left or time.monotonic() >= deadline:
            return left
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_PAUSE_S)


def reap() -> list[tuple[int, int]]:
    """Pid and exit code of every child that has ended; the code is negative for a signal."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended.append((pid, os.waitstatus_to_exitcode(status)))
    return ended


def wait_for(child: int) -> int:
    """The child's exit code, negative for a signal; reaps adopted orphans meanwhile."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def end_session(leader: int, *, kill_after_s: float) -> int:
    """Send SIGTERM to the session of the child `leader`, and SIGKILL if it has not ended in time.

    Returns its exit code as `wait_for`. SIGCHLD must be blocked. Reaps adopted orphans meanwhile.
    """
    deadline = time.monotonic() + kill_after_s
    _signal_session(leader, signal.SIGTERM)
    while (left_s := deadline - time.monotonic()) > 0:
        ended = dict(reap())
        if leader in ended:
            return ended[leader]
        signal.sigtimedwait({signal.SIGCHLD}, min(left_s, _LOOK_EVERY_S))
    _signal_session(leader, signal.SIGKILL)
    return wait_for(leader)


def _signal_session(leader: int, number: signal.Signals) -> None:
    # Before the child has called setsid, there is no such process group.
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            send(leader, number)
            return


def parse_stat(text: str) -> tuple[int, str]:
    """Parent's pid and command name from /proc/PID/stat; the name may have any characters."""
    name, _, rest = text.partition("(")[2].rpartition(")")
    return int(rest.split()[1]), name


def _process_table() -> dict[int, tuple[int, str]]:
    table = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            # Processes come and go; those of other users may be hidden.
            with contextlib.suppress(OSError, ValueError, IndexError):
                table[int(entry.name)] = parse_stat(Path(entry.path, "stat").read_text())
    return table


def _prctl(option: int, value: "int | ctypes.Array[ctypes.c_char]") -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
