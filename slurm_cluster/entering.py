"""Starts a process inside a machine, as one of the machine's users."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from slurm_cluster.users import User

_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")


class MachineProcess(subprocess.Popen[str]):
    """A process inside a machine. Signals go to it, not to the nsenter that waits for it."""

    @property
    def inner_pid(self) -> int | None:
        """Host pid of the process itself; None if it has ended or not yet begun."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        try:
            return next((int(pid) for pid in children.read_text().split()), None)
        except (FileNotFoundError, ProcessLookupError):
            return None

    def send_signal(self, sig: int) -> None:
        """Send a signal to the process in the machine; nsenter then ends the same way."""
        if self.poll() is not None:
            return
        pid = self.inner_pid
        if pid is None:
            super().send_signal(sig)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)

    def kill_group(self) -> None:
        """Send SIGKILL to its process group; use this only if it was started with `own_group`."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def enter(
    init_pid: int,
    argv: Sequence[str],
    *,
    user: User,
    cwd: str,
    env: Mapping[str, str],
    stdin: int | IO[str] | None = None,
    stdout: int | IO[str] | None = None,
    stderr: int | IO[str] | None = None,
    own_group: bool,
) -> MachineProcess:
    """Start `argv` in the namespaces of `init_pid`, with `env` and the user's login variables."""
    change_user = (
        ["/usr/bin/setpriv", f"--reuid={user.uid}", f"--regid={user.uid}", "--init-groups", "--"]
        if user.uid
        else []
    )
    return MachineProcess(
        [
            "/usr/bin/nsenter",
            f"--target={init_pid}",
            *_NAMESPACES,
            f"--wdns={cwd}",
            "--",
            *change_user,
            *argv,
        ],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        env={**user.environment, **env},
        start_new_session=own_group,
        umask=0o022,
    )
