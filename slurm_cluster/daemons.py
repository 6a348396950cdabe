"""Starts and stops the daemons of a cluster inside its machines."""

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from slurm_cluster.addresses import CONTROLLER, LOGIN
from slurm_cluster.errors import ClusterError
from slurm_cluster.machine import Machine
from slurm_cluster.options import ClusterOptions
from slurm_cluster.processes import read_stat, wait_until

_SOCKET = "/run/mysqld/mysqld.sock"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon: how to start it, and how to find out that it answers."""

    name: str
    """The command's name, by which its process is found."""
    argv: Sequence[str]
    """The command that starts it in the background."""
    is_serving: Sequence[str] | None = None
    """A command that exits with 0 once the daemon answers; None if `argv` returns only then."""
    log: str = ""
    """Its log in the machine; an error shows its end if the daemon does not start."""

    def start(self, machine: Machine, *, timeout_s: float = 60) -> None:
        """Start unless it runs. Raises ClusterError, with the end of the log, without an answer."""
        self.resume(machine)
        if not machine.pids_of(self.name):
            machine.run_as_root(self.argv, timeout_s=timeout_s)
        if self.is_serving is not None:
            self._wait_until_serving(machine, self.is_serving, timeout_s)

    def stop(self, machine: Machine, *, timeout_s: float = 30) -> None:
        """Send SIGTERM, and SIGKILL after half of `timeout_s`. Does nothing if it does not run."""
        pids = machine.pids_of(self.name)
        _signal(pids, signal.SIGTERM)
        self.resume(machine)
        with contextlib.suppress(ClusterError):
            self._wait_for_end(pids, machine, timeout_s / 2)
            return
        _signal(pids, signal.SIGKILL)
        self._wait_for_end(pids, machine, timeout_s / 2)

    def pause(self, machine: Machine) -> None:
        """Send SIGSTOP: the kernel still accepts connections, but the daemon does not answer."""
        _signal(machine.pids_of(self.name), signal.SIGSTOP)

    def resume(self, machine: Machine) -> None:
        """Send SIGCONT; harmless if the daemon is not paused."""
        _signal(machine.pids_of(self.name), signal.SIGCONT)

    def _wait_for_end(self, pids: list[int], machine: Machine, timeout_s: float) -> None:
        wait_until(
            lambda: all(self._has_ended(pid) for pid in pids),
            timeout_s=timeout_s,
            what=f"the end of {self.name} on {machine.name}",
        )

    def _has_ended(self, pid: int) -> bool:
        stat = read_stat(pid)
        return stat is None or stat.command != self.name or stat.state in "ZX"

    def _wait_until_serving(self, machine: Machine, probe: Sequence[str], timeout_s: float) -> None:
        try:
            wait_until(
                lambda: machine.run_as_root(probe, check=False).returncode == 0,
                timeout_s=timeout_s,
                what=f"{self.name} on {machine.name}",
            )
        except ClusterError as error:
            end = machine.run_as_root(["tail", "-n", "15", self.log], check=False).stdout
            raise ClusterError(f"{error}; its log ends with:\n{end}") from error


def as_user(name: str) -> list[str]:
    """Words before a command that run it as a system user of the machine."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", "--"]


MUNGED = Daemon(
    "munged",
    [
        *as_user("munge"),
        "munged",
        "--key-file=/etc/munge/munge.key",
        "--seed-file=/var/lib/munge/munge.seed",
        "--log-file=/var/log/munge/munged.log",
        "--pid-file=/run/munge/munged.pid",
    ],
    log="/var/log/munge/munged.log",
)
MARIADBD = Daemon(
    "mariadbd",
    [
        "setsid",
        "--fork",
        *as_user("mysql"),
        "mariadbd",
        "--no-defaults",
        "--datadir=/var/lib/mysql",
        f"--socket={_SOCKET}",
        "--skip-networking",
        "--innodb-buffer-pool-size=64M",
        # The database need not survive a crash of the host, so it need not wait for the disk.
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-lock-wait-timeout=900",
        "--loose-innodb-snapshot-isolation=OFF",  # slurmdbd needs it from MariaDB 11.6 on
        "--log-error=/var/lib/mysql/error.log",
    ],
    is_serving=["mariadb-admin", "--no-defaults", f"--socket={_SOCKET}", "ping"],
    log="/var/lib/mysql/error.log",
)
SLURMDBD = Daemon(
    "slurmdbd",
    # The default path of MariaDB's socket differs between releases.
    ["env", f"MYSQL_UNIX_PORT={_SOCKET}", "slurmdbd"],
    is_serving=["sacctmgr", "--noheader", "--immediate", "list", "cluster"],
    log="/var/log/slurm/slurmdbd.log",
)
SLURMCTLD = Daemon(
    "slurmctld",
    ["slurmctld"],
    is_serving=["scontrol", "ping"],
    log="/var/log/slurm/slurmctld.log",
)
SLURMD = Daemon("slurmd", ["slurmd"], log="/var/log/slurm/slurmd.log")
# With -b, slurmd tells the controller that its machine has booted; the controller then ends the
# jobs that it had there. The kernel's boot time does not show that a machine has booted.
SLURMD_AT_BOOT = Daemon("slurmd", ["slurmd", "-b"], log="/var/log/slurm/slurmd.log")


def daemons_of(machine: str, options: ClusterOptions) -> tuple[Daemon, ...]:
    """The daemons of a machine, in the order in which they start."""
    if machine == CONTROLLER:
        database = (MARIADBD, SLURMDBD) if options.accounting else ()
        return (MUNGED, *database, SLURMCTLD)
    if machine in options.node_names:
        return (MUNGED, SLURMD)
    return (MUNGED,) if machine == LOGIN else ()


def find_daemon(name: str, machine: str, options: ClusterOptions) -> Daemon:
    """The daemon called `name` on a machine. Raises ClusterError if the machine has none."""
    known = {daemon.name: daemon for daemon in daemons_of(machine, options)}
    if name not in known:
        raise ClusterError(f"no daemon {name!r} on {machine}; it has {', '.join(known)}")
    return known[name]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
