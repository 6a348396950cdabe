"""Every path of a cluster on the host, in one place."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MachineLayout:
    """The files of one machine; most are bound over the machine's own folders."""

    root: Path

    @property
    def record(self) -> Path:
        """Pid and start time of the machine's first process."""
        return self.root / "init.json"

    @property
    def booted(self) -> Path:
        """Exists once the first process has set the machine up."""
        return self.root / "booted"

    @property
    def connected(self) -> Path:
        """Exists once the machine is booted and in the network."""
        return self.root / "connected"

    @property
    def boot_spec(self) -> Path:
        """What the first process has to set up."""
        return self.root / "boot.json"

    @property
    def boot_log(self) -> Path:
        """What the first process printed while it booted the machine."""
        return self.root / "boot.log"

    @property
    def hostname(self) -> Path:
        """/etc/hostname of the machine."""
        return self.root / "hostname"

    @property
    def hosts(self) -> Path:
        """/etc/hosts of the machine. Write it in place: the machine does not see a new file."""
        return self.root / "hosts"

    @property
    def tmp(self) -> Path:
        """/tmp of the machine, emptied at boot."""
        return self.root / "tmp"

    @property
    def var_tmp(self) -> Path:
        """/var/tmp of the machine."""
        return self.root / "var-tmp"

    @property
    def log(self) -> Path:
        """/var/log of the machine."""
        return self.root / "log"

    @property
    def network_folder(self) -> Path:
        """Where the machine mounts the shared folder as an NFS client; others see it empty."""
        return self.root / "network-folder"

    @property
    def munge(self) -> Path:
        """/var/lib/munge of the machine."""
        return self.root / "munge"

    @property
    def slurm(self) -> Path:
        """/var/lib/slurm of the machine."""
        return self.root / "slurm"

    @property
    def mysql(self) -> Path:
        """/var/lib/mysql of the machine."""
        return self.root / "mysql"


@dataclass(frozen=True, slots=True)
class ClusterLayout:
    """The files of one cluster."""

    root: Path

    @property
    def state(self) -> Path:
        """The options that the cluster was brought up with."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Held while a command changes the cluster."""
        return self.root / "lock"

    @property
    def etc(self) -> Path:
        """/etc of every machine: a copy of the host's with our users and configuration."""
        return self.root / "etc"

    @property
    def slurm_etc(self) -> Path:
        """/etc/slurm of every machine."""
        return self.etc / "slurm"

    @property
    def login_slurm_etc(self) -> Path:
        """/etc/slurm of the login node, which may have no default cluster."""
        return self.root / "login-slurm"

    @property
    def shared(self) -> Path:
        """/shared of every machine."""
        return self.root / "shared"

    @property
    def database_is_seeded(self) -> Path:
        """The plan of accounts and QOS that is in the database; missing until it is there."""
        return self.root / "accounting-seeded"

    def machine(self, name: str) -> MachineLayout:
        """The files of the machine called `name`."""
        return MachineLayout(self.root / "machines" / name)


def default_root(name: str) -> Path:
    """The default folder of the cluster called `name`."""
    return Path(f"/var/lib/tmgg-slurm-{name}")
