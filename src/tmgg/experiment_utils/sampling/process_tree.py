"""CPU time and memory of all processes of a run, as the kernel counts them (proc(5)). Linux only.

A run's processes are the descendants of its root. The root is the run's supervisor, which adopts
orphans, or the daemon of the Slurm step if the run is alone in it. If neither is known, the root is
the experiment's own process.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

_PARENT, _USER, _SYSTEM, _CHILD_USER, _CHILD_SYSTEM, _STARTED, _RESIDENT = 1, 11, 12, 13, 14, 19, 21
"""Fields of /proc/PID/stat, counted from the one after the command's name."""
_SLURM_STEP = "slurmstepd"
_MOST_ANCESTORS = 64
_BYTES_OF_STAT = 4096


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment."""

    parent: int
    name: str
    cpu_s: float
    """CPU time of the process and of the children that it has waited for, in seconds."""
    children_cpu_s: float
    """The part of `cpu_s` that is from the children."""
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class TreeUse:
    """What all processes of a run have used until now, and the memory that they use now."""

    cpu_s: float
    """CPU time so far, in seconds; without that of ended processes for which no parent waited."""
    memory_bytes: int
    """Memory in use. A page that several processes share counts once, divided among them."""
    peak_bytes: int
    """The peak of the process that ever had most, because samples may miss peaks."""


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """The processes of one run, seen from a process that is not one of them."""

    own: int
    """The pid of the experiment's process."""
    root: int
    first: TreeUse
    """What the processes had used when the run began."""
    started_ticks: int
    """When `own` started; tells it from a later process with the same pid."""

    @property
    def are_there(self) -> bool:
        """Whether the experiment's process lives; False for a zombie."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = _fields(self.own)
            return fields[0] not in "ZX" and int(fields[_STARTED]) == self.started_ticks
        return False

    def measure(self) -> TreeUse:
        """What the processes use now. Raises OSError without /proc."""
        return measure(self.root, self.own, without=os.getpid())


def find_root(own: int, stated: int | None, *, is_alone_in_step: bool = True) -> int:
    """The process that is an ancestor of all processes of the run; `own` is one of these.

    `stated` is the supervisor named in the environment; it counts only if it is an ancestor of
    `own`. Raises OSError without /proc.
    """
    pid = own
    for _ in range(_MOST_ANCESTORS):
        try:
            parent = read_process(pid).parent
        except OSError:
            break
        if parent == stated:
            return parent
        if parent <= 1:
            break
        if is_alone_in_step and _may_be_step(parent):
            return parent
        pid = parent
    return own


def _may_be_step(pid: int) -> bool:
    """Whether it may be Slurm's daemon of the step, which users cannot see with hidepid."""
    try:
        return read_process(pid).name == _SLURM_STEP
    except OSError:
        return True


def measure(root: int, own: int, *, without: int | None = None) -> TreeUse:
    """The use of all descendants of `root`, and of `root` itself if it is `own`.

    Otherwise only the CPU time of children for which `root` has waited counts. The process
    `without` and its descendants do not count. Raises OSError without /proc.
    """
    table = read_table()
    members = below(root, table)
    if without is not None:
        members -= below(without, table) | {without}
    if root == own:
        members.add(root)
    cpu_s = sum(table[pid].cpu_s for pid in members)
    if root not in members and root in table:
        cpu_s += table[root].children_cpu_s
    memory, peak = 0, 0
    for pid in members:
        resident = table[pid].resident_bytes
        in_use = resident if len(members) == 1 else _proportional_bytes(pid, resident)
        memory += in_use
        # Memory that it shares with others is subtracted from its peak, too.
        peak = max(peak, _peak_bytes(pid) - (resident - in_use))
    return TreeUse(cpu_s=cpu_s, memory_bytes=memory, peak_bytes=max(peak, memory))


def below(root: int, table: Mapping[int, Process]) -> set[int]:
    """The descendants of `root`, of all sessions. Pure."""
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    found: set[int] = set()
    frontier = [root]
    while frontier:
        new = [pid for pid in children.get(frontier.pop(), ()) if pid not in found]
        found.update(new)
        frontier.extend(new)
    return found


def read_table() -> dict[int, Process]:
    """All processes of this machine that can be seen."""
    table = {}
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdecimal():
                # Processes come and go; those of other users may be hidden.
                with contextlib.suppress(OSError, ValueError, IndexError):
                    table[int(entry.name)] = read_process(int(entry.name))
    return table


def read_process(pid: int) -> Process:
    """Raises OSError, or ValueError or IndexError if the content is no stat file."""
    return parse_process(_read(f"/proc/{pid}/stat"))


def read_started_ticks(pid: int) -> int:
    """When the process began, in clock ticks since boot. Raises as `read_process`."""
    return int(_fields(pid)[_STARTED])


def _fields(pid: int) -> list[str]:
    """The fields of the process's stat file, from the state on."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def parse_process(text: str) -> Process:
    """A process from its stat file, in which the name may contain any characters. Pure."""
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    own = int(fields[_USER]) + int(fields[_SYSTEM])
    children = int(fields[_CHILD_USER]) + int(fields[_CHILD_SYSTEM])
    return Process(
        parent=int(fields[_PARENT]),
        name=name,
        cpu_s=(own + children) / _TICKS_PER_S,
        children_cpu_s=children / _TICKS_PER_S,
        resident_bytes=int(fields[_RESIDENT]) * _PAGE_BYTES,
    )


def _proportional_bytes(pid: int, resident: int) -> int:
    """Its memory, each page divided by the number of its processes; `resident` if not known."""
    found = _kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:")
    return resident if found is None else found


def _peak_bytes(pid: int) -> int:
    return _kilobytes(f"/proc/{pid}/status", "VmHWM:") or 0


def _kilobytes(path: str, name: str) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _read(path).splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None


def _read(path: str) -> str:
    # Not through a stream, whose locks a fork of the experiment could inherit.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _BYTES_OF_STAT).decode(errors="replace")
    finally:
        os.close(descriptor)


_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
