"""The options of a test cluster, validated once."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from slurm_cluster.errors import OptionError
from slurm_cluster.releases import RELEASES
from slurm_cluster.site import Site, find_site

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_SETTING = re.compile(r"[A-Za-z][A-Za-z0-9]*")
SHARED_FOLDERS = ("local", "network")
_FIXED = (
    "nodes", "accounting", "hide_processes", "release",
    "cluster_name", "shared_folder", "private_tmp", "ipv6",
)  # fmt: skip
MOST_GPUS = 16
"""Every node has this many fake GPU devices; how many Slurm uses may change while it runs."""
_OWN_LINES = frozenset({"nodename", "partitionname", "clustername", "slurmctldhost", "include"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Size, limits and Slurm settings of one cluster."""

    name: str = "default"
    """Tells clusters on the same machine apart; lower case letters, digits, `-`."""
    nodes: int = 3
    """Compute nodes, named node1, node2, ...; 1 to 64."""
    cpus: int = 4
    """CPUs that Slurm believes a node has; they are shared with the whole machine."""
    memory_mb: int = 64_000
    """Memory in MB that Slurm believes a node has; nothing reserves it."""
    gpus: int = 2
    """Fake GPUs per node; 0 means that the cluster knows no GPUs."""
    cluster_name: str = "tmgg"
    """What Slurm calls the cluster (ClusterName); it keeps the name that it was made with."""
    accounting: bool = True
    """Run slurmdbd with MariaDB; without it `sacct` says that accounting is disabled."""
    constrain_memory: bool = False
    """Kill processes that exceed their job's memory (cgroup v1 only)."""
    ipv6: bool = False
    """The machines have IPv6 addresses only."""
    private_tmp: bool = False
    """Every job has a /tmp and /dev/shm of its own (job_container/tmpfs)."""
    hide_processes: bool = True
    """Users see only their own processes (/proc with hidepid=invisible)."""
    slurmd_timeout_s: int = 30
    """Seconds until the controller counts a node that does not answer as down (SlurmdTimeout)."""
    max_array_size: int | None = None
    """MaxArraySize, which caps the index of a job array; None is Slurm's 1001."""
    min_job_age_s: int | None = None
    """Seconds that slurmctld remembers a finished job (MinJobAge); None is Slurm's 300."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further lines of slurm.conf, which override ours; an empty value removes the line."""
    release: str | None = None
    """Debian release whose Slurm the machines run, such as trixie or sid; None is the host's."""
    shared_folder: str = "local"
    """How machines see the shared folder: with `local` like a folder on one machine, with `network`
    each with the caches and the behaviour of an NFS client."""
    site: str | None = None
    """The site whose rules the cluster has (`sites/NAME.toml`): its nodes, partitions, accounts and
    limits replace ours. Another number of nodes, CPUs, memory or GPUs is then an error."""
    state_dir: Path | None = None
    """The one folder that the cluster writes; None is /var/lib/tmgg-slurm-NAME."""

    def __post_init__(self) -> None:
        """Raises OptionError, which names the field, its value and what is allowed."""
        if not _NAME.fullmatch(self.name):
            raise OptionError(
                f"name {self.name!r}: use at most 20 lower case letters, digits and -, "
                "beginning with a letter"
            )
        self._take_site()
        _check_range("nodes", self.nodes, 1, 64)
        _check_range("cpus", self.cpus, 1, 1024)
        _check_range("memory_mb", self.memory_mb, 100, 10_000_000)
        _check_range("gpus", self.gpus, 0, MOST_GPUS)
        _check_range("slurmd_timeout_s", self.slurmd_timeout_s, 3, 65_533)
        if self.max_array_size is not None:
            _check_range("max_array_size", self.max_array_size, 2, 4_000_001)
        if self.min_job_age_s is not None:
            _check_range("min_job_age_s", self.min_job_age_s, 2, 65_533)
        if not _NAME.fullmatch(self.cluster_name):
            raise OptionError(f"cluster_name {self.cluster_name!r}: write it as a name")
        for key, value in self.settings.items():
            _check_setting(key, value)
        if self.release is not None and self.release not in RELEASES:
            raise OptionError(f"release {self.release!r} must be one of {', '.join(RELEASES)}")
        if self.shared_folder not in SHARED_FOLDERS:
            raise OptionError(
                f"shared_folder {self.shared_folder!r} must be one of {', '.join(SHARED_FOLDERS)}"
            )
        if self.state_dir is not None:
            _check_state_dir(self.state_dir)

    @property
    def rules(self) -> Site | None:
        """The rules of the site; None without a site."""
        return None if self.site is None else find_site(self.site)

    def _take_site(self) -> None:
        if self.rules is None:
            return
        for name, value in _decisions_of(self.rules).items():
            if getattr(self, name) not in (_DECIDED_BY_SITE[name], value):
                raise OptionError(
                    f"site {self.site} has {name} {value}, not {getattr(self, name)}; leave it out"
                )
            object.__setattr__(self, name, value)

    @property
    def node_names(self) -> tuple[str, ...]:
        """node1 to nodeN."""
        return tuple(f"node{number}" for number in range(1, self.nodes + 1))

    def fixed_differences(self, other: "ClusterOptions") -> list[str]:
        """Names of the options that differ and that a running cluster cannot change."""
        return [name for name in _FIXED if getattr(self, name) != getattr(other, name)]

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        values = asdict(self)
        values["settings"] = dict(self.settings)
        if self.site is not None:  # the site's file may have other sizes when this is read
            values = {name: value for name, value in values.items() if name not in _DECIDED_BY_SITE}
        values["state_dir"] = None if self.state_dir is None else str(self.state_dir)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ClusterOptions":
        """The options that `to_json` wrote. Unknown keys raise OptionError."""
        unknown = sorted(set(values) - {entry.name for entry in fields(cls)})
        if unknown:
            raise OptionError(f"unknown cluster options {', '.join(unknown)}")
        state_dir = values.get("state_dir")
        return cls(**{**values, "state_dir": None if state_dir is None else Path(state_dir)})


_DECIDED_BY_SITE = {
    entry.name: entry.default
    for entry in fields(ClusterOptions)
    if entry.name in ("nodes", "cpus", "memory_mb", "gpus", "cluster_name")
}


def _decisions_of(site: Site) -> dict[str, int | str]:
    """The options that the site decides. If a size differs between nodes, it is the largest."""
    return {
        "nodes": site.node_count,
        "cpus": max(group.cpus for group in site.nodes),
        "memory_mb": max(group.memory_mb for group in site.nodes),
        "gpus": max(group.gpus for group in site.nodes),
        "cluster_name": site.cluster_name,
    }


def parse_setting(text: str) -> tuple[str, str]:
    """`KEY=VALUE` as a checked pair."""
    key, separator, value = text.partition("=")
    if not separator:
        raise OptionError(f"setting {text!r}: write KEY=VALUE, as in slurm.conf")
    _check_setting(key, value)
    return key, value


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OptionError(f"{name} is {value}: it must be {low} to {high}")


def _check_setting(key: str, value: str) -> None:
    if not _SETTING.fullmatch(key):
        raise OptionError(f"setting {key!r} is not the name of a slurm.conf line")
    if key.lower() in _OWN_LINES:
        raise OptionError(f"setting {key}: the cluster writes this line itself")
    if not value.isprintable():
        raise OptionError(f"setting {key}: the value {value!r} must be one printable line")


def _check_state_dir(path: Path) -> None:
    if not path.is_absolute() or path.is_relative_to("/run") or path.is_relative_to("/proc"):
        raise OptionError(f"state_dir {path}: use an absolute path on a disk, not under /run")
