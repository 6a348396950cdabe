"""Reserves CPUs and GPUs of this machine for local runs, across all processes of the user.

For each CPU and GPU there is a file. A run reserves it by locking the file. The kernel removes the
lock when the process ends, so no process has to clean up.
"""

import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER
from tmgg.experiment_utils.run_folder.known_folders import home_folder
from tmgg.experiment_utils.supervisor import processes
from tmgg.experiment_utils.supervisor.gpus import find_gpus

LOOK_AGAIN_S = 0.2
# From these variables libraries take their number of threads.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_WAITING = "tmgg-waiting"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a run asks for. None reserves nothing and leaves the choice to the run."""

    cpus: int | None
    gpus: int | None

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> "Wish":
        """Made from the settings on a run's record, which a record of an older TMGG may lack."""
        return cls(settings.get("cpus_per_run"), settings.get("gpus_per_run"))


def available_cpus() -> list[str]:
    """The CPUs that this process may use."""
    return [str(cpu) for cpu in sorted(os.sched_getaffinity(0))]


def is_waiting(pid: int) -> bool:
    """Whether a process waits in `wait_for_room`."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == _WAITING
    except OSError:
        return False


def wait_for_room(wish: Wish) -> dict[str, str] | None:
    """Reserve what is asked for until this process ends; returns variables for the experiment.

    None if SIGTERM came first; the caller must have blocked that signal. Only one process at a time
    looks for room, so that a run that needs much does not wait for ever.
    """
    if not wish.cpus and not wish.gpus:
        return _environment(wish, [])
    folder = home_folder() / "local" / socket.gethostname()
    folder.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    asked = [
        ("turn", ["0"], 1),
        ("cpu", available_cpus(), wish.cpus or 0),
        ("gpu", find_gpus(), wish.gpus or 0),
    ]
    taken: list[dict[str, int]] = []
    with _named(_WAITING):
        for kind, names, count in asked:
            locks = _wait_until_taken(folder, kind, names, count)
            if locks is None:
                return None
            taken.append(locks)
    turn, _cpus, gpus = taken
    for descriptor in turn.values():
        os.close(descriptor)
    return _environment(wish, list(gpus))


def _wait_until_taken(
    folder: Path, kind: str, names: Sequence[str], count: int
) -> dict[str, int] | None:
    """Lock `count` of the names; returns the open file descriptors by name, None after SIGTERM."""
    taken: dict[str, int] = {}
    while True:
        for name in names:
            if len(taken) == count:
                return taken
            if name not in taken and (lock := _try_lock(folder / f"{kind}.{name}")) is not None:
                taken[name] = lock
        if len(taken) == count:
            return taken
        if signal.sigtimedwait({signal.SIGTERM}, LOOK_AGAIN_S) is not None:
            return None


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _environment(wish: Wish, gpus: Sequence[str]) -> dict[str, str]:
    threads = dict.fromkeys(_THREADS, str(wish.cpus)) if wish.cpus else {}
    devices = {} if wish.gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    return threads | devices


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Within the block, this process has another name, which `ps` shows and `is_waiting` reads."""
    before = processes.read_name()
    processes.set_name(name)
    try:
        yield
    finally:
        processes.set_name(before)
