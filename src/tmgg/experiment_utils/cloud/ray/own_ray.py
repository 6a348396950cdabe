"""The user's own Ray on this machine, shared by all processes of the user.

The first process that needs it starts it. A separate process (`host`) keeps it, and ends it after
some time without work. The file `ray.json` tells other processes its address and token.
"""

import contextlib
import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import BackendUnavailableError, MissingExtraError
from tmgg.experiment_utils.cloud.ray.config import RayConfig
from tmgg.experiment_utils.extras import install_command
from tmgg.experiment_utils.files.process_names import process_start
from tmgg.experiment_utils.files.trust import OWNER_ONLY_FOLDER, read_json
from tmgg.experiment_utils.job.job_environment import for_new_run
from tmgg.experiment_utils.run_folder.known_folders import home_folder
from tmgg.experiment_utils.supervisor.gpus import find_gpus

HOST = "tmgg.experiment_utils.cloud.ray.host"
START_WITHIN_S = 120.0
END_WITHIN_S = 30.0
_POLL_S = 0.05
_LOG_LINES = 15
# These modules come with ray[default]; without them Ray has no Jobs API.
_DASHBOARD = ("ray", "aiohttp_cors")


@dataclass(frozen=True, slots=True)
class OwnRay:
    """A Ray of the user on this machine that is alive."""

    address: str
    token: str
    process: str
    """Pid and start time of its host."""


def state_folder() -> Path:
    """The folder of the files about this user's Ray on this machine."""
    return home_folder() / "ray" / socket.gethostname()


def note_path(folder: Path) -> Path:
    return folder / "ray.json"


def find_own_ray() -> OwnRay | None:
    """The user's Ray on this machine; None if there is none alive."""
    note = read_json(note_path(state_folder()))
    if note is None:
        return None
    ray = OwnRay(str(note["address"]), str(note["token"]), str(note["process"]))
    pid, _, start = ray.process.partition(".")
    return ray if start and process_start(int(pid)) == start else None


@contextlib.contextmanager
def hold_own_ray(config: RayConfig) -> Iterator[OwnRay]:
    """The user's Ray; it is started if there is none. It does not end as idle within the block.

    Raises MissingExtraError or BackendUnavailableError.
    """
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    while True:
        with locked(folder, fcntl.LOCK_SH):  # an idle Ray ends only under an exclusive lock
            if (ray := find_own_ray()) is not None:
                yield ray
                return
        with locked(folder, fcntl.LOCK_EX):
            if find_own_ray() is None:
                _start(config, folder)


@contextlib.contextmanager
def locked(folder: Path, operation: int) -> Iterator[None]:
    """Hold the folder's lock within the block.

    Raises BlockingIOError if `operation` has LOCK_NB and the lock is taken.
    """
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def end_own_ray() -> bool:
    """End the user's Ray on this machine and the runs on it; False if there is none."""
    ray = find_own_ray()
    if ray is None:
        return False
    pid, _, start = ray.process.partition(".")
    os.kill(int(pid), signal.SIGTERM)
    deadline = time.monotonic() + END_WITHIN_S
    while process_start(int(pid)) == start:
        if time.monotonic() > deadline:
            raise BackendUnavailableError(
                f"the Ray of this machine (process {pid}) did not end within {END_WITHIN_S:g} s. "
                f"Try again; kill -KILL {pid} ends it at once."
            )
        time.sleep(_POLL_S)
    return True


def _start(config: RayConfig, folder: Path) -> None:
    _require_ray()
    log = folder / "host.log"
    cpus = config.local_cpus or len(os.sched_getaffinity(0))
    gpus = len(find_gpus()) if config.local_gpus is None else config.local_gpus
    argv = [sys.executable, "-m", HOST, str(folder)]
    argv += [f"--cpus={cpus}", f"--gpus={gpus}", f"--idle={config.local_idle_s:g}"]
    with log.open("wb") as output:
        host = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            env=for_new_run(os.environ),
        )
    deadline = time.monotonic() + START_WITHIN_S
    while find_own_ray() is None:
        ended = host.poll() is not None
        if ended or time.monotonic() > deadline:
            host.kill()
            raise BackendUnavailableError(
                "Ray did not start on this machine. Its own words are below and in "
                f"{log}\n{_last_words(log)}"
            )
        time.sleep(_POLL_S)
    _hosts.append(host)


# The hosts outlive this process. The list keeps the objects, because a deleted Popen warns.
_hosts: list[subprocess.Popen[bytes]] = []


def _require_ray() -> None:
    for module in _DASHBOARD:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(
                f"to start a Ray on this machine, {module} is missing from {sys.executable}. "
                f"Install it: {install_command('ray')}; or set ray_address to the dashboard of a "
                "cluster, which needs no Ray on this machine."
            )


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join([line for line in lines if line.strip()][-_LOG_LINES:])
