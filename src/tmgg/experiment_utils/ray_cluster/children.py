"""The supervisor's children: processes that it started, and orphans that it adopted."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.supervisor.processes import reap

OnExit = Callable[[int], None]


class Children:
    """Calls back, once for each process, when a process that it looks after has ended."""

    def __init__(self, loop: Loop) -> None:
        self._on_exit: dict[int, OnExit] = {}
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        loop.on_signal(signal.SIGCHLD, self._reap)

    def spawn(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        on_exit: OnExit,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            argv,
            env=dict(environment),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
        )
        self._started[process.pid] = process
        self.look_after(process.pid, on_exit)
        return process

    def look_after(self, pid: int, on_exit: OnExit) -> None:
        """Call back with the exit code when this child or orphan ends.

        The code is negative for a process that a signal ended.
        """
        self._on_exit[pid] = on_exit

    def forget(self, pid: int) -> None:
        """Do not call back when this process ends."""
        self._on_exit.pop(pid, None)

    def _reap(self) -> None:
        for pid, code in reap():
            process = self._started.pop(pid, None)
            if process is not None:
                process.returncode = code  # it was reaped here, not by Popen
            on_exit = self._on_exit.pop(pid, None)
            if on_exit is not None:
                on_exit(code)
