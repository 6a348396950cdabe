"""One machine of a cluster: a set of namespaces with files of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_cluster import boot
from slurm_cluster.addresses import LOGIN, render_hosts
from slurm_cluster.cgroups import cgroup_binds, remove_cgroups
from slurm_cluster.entering import enter
from slurm_cluster.errors import ClusterError
from slurm_cluster.layout import ClusterLayout, MachineLayout
from slurm_cluster.namespace_order import lowest_cpu
from slurm_cluster.network_mount import mount_command
from slurm_cluster.options import MOST_GPUS, ClusterOptions
from slurm_cluster.processes import (
    ProcessRecord,
    pids_in_namespace_of,
    read_record,
    wait_until,
)
from slurm_cluster.releases import HOST, python_binds, root_of, system_user
from slurm_cluster.slurm_conf import FAKE_GPU_FOLDER
from slurm_cluster.users import ROOT

_BOOT_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine by name; whether it runs is read from its record each time."""

    name: str
    cluster: ClusterLayout

    @property
    def layout(self) -> MachineLayout:
        """The machine's files."""
        return self.cluster.machine(self.name)

    @property
    def record(self) -> ProcessRecord | None:
        """The record of the first process; None if it does not run."""
        record = read_record(self.layout.record)
        return record if record is not None and record.is_running() else None

    @property
    def is_running(self) -> bool:
        """Whether the machine has power."""
        return self.record is not None

    @property
    def is_complete(self) -> bool:
        """Whether the machine runs and its start was completed."""
        return self.is_running and self.layout.connected.exists()

    @property
    def pid(self) -> int:
        """Host pid of the first process. Raises ClusterError if the machine is off."""
        record = self.record
        if record is None:
            raise ClusterError(
                f"{self.name} is not running; `up` starts the cluster, `power-on` one node"
            )
        return record.pid

    def start_boot(self, options: ClusterOptions) -> None:
        """Start the first process; `finish_boot` waits until it has booted the machine."""
        layout = self.layout
        _make_folders(layout, root_of(options.release))
        layout.hostname.write_text(self.name + "\n")
        layout.hosts.write_text(render_hosts(options))
        layout.record.unlink(missing_ok=True)
        layout.booted.unlink(missing_ok=True)
        layout.connected.unlink(missing_ok=True)
        _boot_spec(self, options).write(layout.boot_spec)
        cpu = lowest_cpu() if options.private_tmp else None
        pin = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]  # `boot` undoes it
        unshare = [*pin, "unshare", "--net", "--uts", "--ipc", "--mount", "--pid"]
        first_process = [sys.executable, "-I", boot.__file__, str(layout.boot_spec)]
        with layout.boot_log.open("w") as log:
            # setsid --fork: the machine must outlive this process, so it must not be its child.
            subprocess.run(
                ["setsid", "--fork", *unshare, "--fork", "--kill-child", *first_process],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                check=True,
                timeout=10,
            )

    def finish_boot(self) -> None:
        """Wait until the machine has booted. Raises ClusterError, with the boot log, if not."""
        try:
            wait_until(self.layout.booted.exists, timeout_s=_BOOT_TIMEOUT_S, what=self.name)
        except ClusterError as error:
            words = self.layout.boot_log.read_text()[-2000:]
            raise ClusterError(f"{self.name} did not boot: {words or error}") from error

    def power_off(self) -> None:
        """Kill the first process; the kernel then kills all other processes of the machine."""
        record = self.record
        if record is not None:
            record.kill()
        remove_cgroups(self.cluster.root, self.name)

    def run_as_root(
        self, argv: Sequence[str], *, timeout_s: float = 30, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a short administrative command. Raises ClusterError if it takes over `timeout_s`.

        With `check`, also raises ClusterError, with the command's output, if it fails.
        """
        process = enter(
            self.pid,
            argv,
            user=ROOT,
            cwd="/",
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            own_group=True,
        )
        with process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                process.kill_group()
                raise ClusterError(
                    f"{self.name}: `{' '.join(argv)}` took over {timeout_s} s"
                ) from error
        if check and process.returncode != 0:
            raise ClusterError(
                f"{self.name}: `{' '.join(argv)}` ended with {process.returncode}: "
                f"{(err or out).strip()[-2000:]}"
            )
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def pids_of(self, command: str) -> list[int]:
        """Host pids of the processes called `command` in this machine."""
        record = self.record
        return [] if record is None else pids_in_namespace_of(record.pid, command)


def _make_folders(layout: MachineLayout, root: Path) -> None:
    if layout.tmp.exists():
        shutil.rmtree(layout.tmp)
    for folder, user, mode in (
        (layout.tmp, "root", 0o1777),
        (layout.var_tmp, "root", 0o1777),
        (layout.log, "root", 0o755),
        (layout.log / "munge", "munge", 0o700),
        (layout.log / "slurm", "slurm", 0o755),
        (layout.munge, "munge", 0o711),
        (layout.slurm, "slurm", 0o755),
        (layout.slurm / "slurmctld", "slurm", 0o700),
        (layout.slurm / "slurmd", "root", 0o755),
        (layout.mysql, "mysql", 0o755),
        (layout.network_folder, "root", 0o755),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, system_user(root, user)[0], -1)
        folder.chmod(mode)


def _boot_spec(machine: Machine, options: ClusterOptions) -> boot.BootSpec:
    layout = machine.layout
    is_network = options.shared_folder == "network"
    binds: list[tuple[Path, str]] = [
        (machine.cluster.etc, "/etc"),
        *([(machine.cluster.login_slurm_etc, "/etc/slurm")] if machine.name == LOGIN else []),
        (layout.hostname, "/etc/hostname"),
        (layout.hosts, "/etc/hosts"),
        (layout.tmp, "/tmp"),
        (layout.var_tmp, "/var/tmp"),
        (layout.log, "/var/log"),
        (layout.munge, "/var/lib/munge"),
        (layout.slurm, "/var/lib/slurm"),
        (layout.mysql, "/var/lib/mysql"),
        (layout.network_folder if is_network else machine.cluster.shared, "/shared"),
        *cgroup_binds(machine.cluster.root, machine.name),
    ]
    is_node = machine.name in options.node_names
    root = root_of(options.release)
    if root != HOST:
        binds += python_binds()

    def owner(name: str) -> int:
        return system_user(root, name)[0]

    return boot.BootSpec(
        hostname=machine.name,
        record=str(layout.record),
        booted=str(layout.booted),
        binds=[(str(source), target) for source, target in binds],
        run_folders=[
            ("/run/munge", owner("munge"), 0o755),
            ("/run/slurm", owner("slurm"), 0o755),
            ("/run/mysqld", owner("mysql"), 0o755),
            ("/run/lock", 0, 0o1777),
        ],
        fake_gpus=[f"{FAKE_GPU_FOLDER}/gpu{k}" for k in range(MOST_GPUS)] if is_node else [],
        hide_processes=options.hide_processes,
        root=str(root),
        network_folder=_network_folder(machine) if is_network else None,
    )


def _network_folder(machine: Machine) -> tuple[list[str], str]:
    place = str(machine.layout.network_folder)
    return mount_command(str(machine.cluster.shared), place), place
