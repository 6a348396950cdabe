"""Keeps a user's Ray on this machine: `python -m ... FOLDER --cpus N --gpus N --idle SECONDS`.

The same supervisor that a Slurm job has on its node: own ports, a scratch folder that only the user
can look into, a token, and a guardian that leaves nothing behind.
"""

import argparse
import contextlib
import fcntl
import os
import secrets
import signal
import sys
import time
from pathlib import Path

from tmgg.experiment_utils.cloud.ray.activity import Activity, has_runs_below
from tmgg.experiment_utils.cloud.ray.client import RayJobsClient
from tmgg.experiment_utils.cloud.ray.own_ray import locked, note_path
from tmgg.experiment_utils.files.atomic_file import write_atomic, write_json
from tmgg.experiment_utils.files.process_names import process_start
from tmgg.experiment_utils.ray_cluster import guardian, ports, ray_command
from tmgg.experiment_utils.ray_cluster.children import Children
from tmgg.experiment_utils.ray_cluster.local_ray import LocalRay
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.ray_cluster.scratch import Scratch, ScratchError

_ADDRESS = "127.0.0.1"
_PORTS = (20000, 31999)
_MOST_OBJECT_STORE_BYTES = 2 * 1024**3
_LONGEST_CHECK_S = 10.0
_STOPPED = 0
_FAILED = 1
# Runs wait for resources without a limit. Ray's default limit is a quarter of an hour.
_START_TIMEOUT_S = 10**9


class Host:
    """Starts Ray, notes its address, and ends it if asked, if it is idle, or if it is broken."""

    def __init__(self, folder: Path, scratch: Path, *, cpus: int, gpus: int, idle_s: float) -> None:
        self._folder = folder
        self._idle_s = idle_s
        self._busy_at = time.monotonic()
        self._token = secrets.token_hex(32)
        self._activity: Activity | None = None
        token = scratch / "token"
        write_atomic(token, self._token.encode())
        self._loop = Loop()
        for number in (signal.SIGTERM, signal.SIGINT, guardian.ORPHANED):
            self._loop.on_signal(number, self._end)
        environment = ray_command.render_environment(
            os.environ, scratch=scratch, token=token, interface=None
        )
        self._ray = LocalRay(
            self,
            self._loop,
            Children(self._loop),
            wishes=ports.PortWishes(range=_PORTS),
            seed=os.getpid(),
            share=_share(cpus, gpus),
            environment=environment | {"RAY_JOB_START_TIMEOUT_SECONDS": str(_START_TIMEOUT_S)},
            log=scratch / "ray_start.log",
            dashboard=True,
        )

    def run(self) -> int:
        self._ray.prepare()
        self._ray.start(_ADDRESS, None)
        code = self._loop.run()
        note_path(self._folder).unlink(missing_ok=True)
        return code

    def ray_up(self, plan: ports.PortPlan) -> None:
        self._ray.settle()
        address = f"http://{_ADDRESS}:{plan.components['dashboard']}"
        guard = os.getppid()
        self._activity = Activity(
            RayJobsClient(address, self._token).has_open_jobs,
            has_runs=lambda: has_runs_below(guard),
            notice=self.notice,
        )
        self._busy_at = time.monotonic()  # the time of starting does not count as idle
        write_json(
            note_path(self._folder),
            {
                "version": 1,
                "address": address,
                "token": self._token,
                "process": f"{guard}.{process_start(guard)}",
            },
        )
        self._check_later()

    def ray_failed(self, why: str, *, no_ray: bool) -> None:
        self.notice(why)
        self._loop.end(_FAILED)

    def ray_lost(self, why: str) -> None:
        self.notice(why)
        self._loop.end(_FAILED)

    def notice(self, text: str) -> None:
        sys.stderr.write(f"tmgg: {text}\n")
        sys.stderr.flush()

    def spared(self) -> list[int]:
        return []

    def _end(self) -> None:
        self._loop.end(_STOPPED)

    def _check_later(self) -> None:
        self._loop.after(min(self._idle_s / 4, _LONGEST_CHECK_S), self._check)

    def _check(self) -> None:
        if self._is_busy():
            self._busy_at = time.monotonic()
        if time.monotonic() - self._busy_at < self._idle_s or not self._withdraw():
            self._check_later()
            return
        self._end()

    def _withdraw(self) -> bool:
        """Remove `ray.json`, unless a process uses this Ray now; whether it was removed."""
        with (
            contextlib.suppress(BlockingIOError),
            locked(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB),
        ):
            if not self._is_busy():
                note_path(self._folder).unlink(missing_ok=True)
                return True
        return False

    def _is_busy(self) -> bool:
        assert self._activity is not None
        return self._activity.is_busy()


def _share(cpus: int, gpus: int) -> ray_command.Share:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    shared = os.statvfs("/dev/shm")
    share = ray_command.divide(
        cpus=cpus,
        gpus=gpus,
        memory_bytes=memory,
        shared_memory_bytes=shared.f_bavail * shared.f_frsize,
        asked_bytes=min(_MOST_OBJECT_STORE_BYTES, memory // 10),
    )
    return share


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="host", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--gpus", type=int, required=True)
    parser.add_argument("--idle", type=float, required=True)
    given = parser.parse_args(arguments)
    scratch = Scratch(Path("/tmp") / f"tmgg-ray-{secrets.token_hex(5)}")
    try:
        scratch.make()
    except ScratchError as error:
        sys.stderr.write(f"tmgg: {error}\n")
        return _FAILED

    def supervise() -> int:
        host = Host(given.folder, scratch.path, cpus=given.cpus, gpus=given.gpus, idle_s=given.idle)
        return host.run()

    return guardian.guard(supervise, scratch)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
