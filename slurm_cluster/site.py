"""A site's rules: nodes, partitions, accounts, limits and job_submit.lua, one file for each site.

The files are `sites/NAME.toml`; docs/sites.md is made from them. Rules are a site's published ones
in our words, on fewer and smaller nodes.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from slurm_cluster.errors import OptionError

_FOLDER = Path(__file__).with_name("sites")
_PRELUDE = _FOLDER / "prelude.lua"
_LAUNCHER_HEAD = """\
# @package hydra.launcher
defaults: [tmgg_slurm, _self_]

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGroup:
    """Nodes that are alike; groups take the cluster's nodes in their order."""

    count: int
    cpus: int
    memory_mb: int
    gpus: int = 0
    gpu_type: str | None = None
    features: Sequence[str] = ()
    threads_per_core: int = 1
    """Of the CPUs, which are threads, so many are one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A line of slurm.conf."""

    name: str
    groups: Sequence[int]
    """Its node groups, counted from 0."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What else the line says, as in MaxTime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the site does not take, and by which words it says so."""

    change: Sequence[str]
    """Launcher settings that differ from the file that works, as in `slurm_account=null`."""
    words: str
    """Part of what sbatch says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that `sites/NAME.toml` says."""

    name: str
    title: str
    sources: Sequence[str]
    """Where the rules are published."""
    rules: Sequence[str]
    """The rules as sentences, for people."""
    launcher: str
    """The settings of the launcher file that works there."""
    defaults: str
    """Part of what is said when TMGG's defaults are sent there."""
    nodes: Sequence[NodeGroup]
    partitions: Sequence[Partition]
    accounts: Mapping[str, Sequence[str]]
    """QOS by account, of which the first is its default. The first account is the users'."""
    qos: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What sacctmgr is told about each QOS."""
    refused: Sequence[Refusal] = ()
    slurm_conf: Mapping[str, str] = field(default_factory=dict)
    cluster_name: str = "tmgg"
    """What Slurm calls the cluster."""
    default_cluster: bool = True
    """False where the login node knows no cluster of its own: each command names one."""
    job_submit: str = ""
    """Lua: `check(job)`, which answers the words of a refusal, or nothing."""

    cli_filter: str = ""
    """The whole of cli_filter.lua, which the users' commands run."""

    @property
    def node_count(self) -> int:
        """Compute nodes of all groups."""
        return sum(group.count for group in self.nodes)

    @property
    def launcher_yaml(self) -> str:
        """The launcher file that works there, as users have it."""
        return _LAUNCHER_HEAD + self.launcher

    @property
    def job_submit_lua(self) -> str:
        """The whole of job_submit.lua; empty where the site needs none."""
        return _PRELUDE.read_text() + "\n" + self.job_submit if self.job_submit else ""


@cache
def site_names() -> tuple[str, ...]:
    """The sites that there are, in order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def find_site(name: str) -> Site:
    """The site called `name`, or the one in a file, as in `/srv/mine.toml`.

    OptionError with the known names when there is none.
    """
    if "/" in name:
        return _read_site(Path(name))
    if name not in site_names():
        raise OptionError(f"there is no site {name!r}; there are {', '.join(site_names())}")
    return _read_site(_FOLDER / f"{name}.toml")


def _read_site(path: Path) -> Site:
    if not path.is_absolute():
        raise OptionError(f"site {path}: use an absolute path")
    try:
        return parse_site(path.stem, path.read_text())
    except OSError as error:
        raise OptionError(f"site {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(
            f"site {path} is no text in UTF-8: {error.reason} at byte {error.start}"
        ) from error


def parse_site(name: str, text: str) -> Site:
    """A site's file; OptionError for a key that is unknown, missing, or names what is not there."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"sites/{name}.toml: {error}") from error
    for key, kind in (("nodes", NodeGroup), ("partitions", Partition), ("refused", Refusal)):
        entries = values.get(key, [])
        values[key] = tuple(_parsed(kind, entry, f"{name}.{key}") for entry in entries)
    site: Site = _parsed(Site, {"name": name, **values}, name)
    _check(site)
    return site


def _parsed(kind: type[Any], values: Mapping[str, Any], place: str) -> Any:
    unknown = sorted(set(values) - {entry.name for entry in fields(kind)})
    if unknown:
        raise OptionError(f"site {place}: unknown keys {', '.join(unknown)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise OptionError(f"site {place}: {error}") from error


def _check(site: Site) -> None:
    if not site.nodes or not site.partitions or not site.accounts:
        raise OptionError(f"site {site.name}: it needs nodes, partitions and accounts")
    for group in site.nodes:
        if group.cpus % group.threads_per_core:
            raise OptionError(
                f"site {site.name}: {group.cpus} CPUs are no cores of {group.threads_per_core}"
            )
    for partition in site.partitions:
        if not all(0 <= group < len(site.nodes) for group in partition.groups):
            raise OptionError(
                f"site {site.name}: partition {partition.name} has groups {partition.groups}, "
                f"of {len(site.nodes)}"
            )
    known = {"normal", *site.qos}
    for account, allowed in site.accounts.items():
        if account != account.lower():
            raise OptionError(f"site {site.name}: sacctmgr writes {account} in lower case")
        if unknown := sorted(set(allowed) - known):
            raise OptionError(f"site {site.name}: {account} has unknown QOS {', '.join(unknown)}")
