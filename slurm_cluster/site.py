"""A site's rules: nodes, partitions, accounts, limits and job_submit.lua, one file for each site.

The files are `sites/NAME.toml`; docs/sites.md is made from them. The rules are those that the site
has published, in our words, for fewer and smaller nodes.
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
    """Nodes that are alike. The groups divide the cluster's nodes among them, in order."""

    count: int
    cpus: int
    memory_mb: int
    gpus: int = 0
    gpu_type: str | None = None
    features: Sequence[str] = ()
    threads_per_core: int = 1
    """How many CPUs are one core: Slurm counts each thread as a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The line of a partition in slurm.conf."""

    name: str
    groups: Sequence[int]
    """Indices of its node groups, from 0."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Other settings in the line, such as MaxTime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that the site refuses, and its words for it."""

    change: Sequence[str]
    """Launcher settings that differ from the working launcher file, as in `slurm_account=null`."""
    words: str
    """Part of what sbatch prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The content of `sites/NAME.toml`."""

    name: str
    title: str
    sources: Sequence[str]
    """Where the rules are published."""
    rules: Sequence[str]
    """The rules as sentences, for people."""
    launcher: str
    """The settings of the launcher file that works there."""
    defaults: str
    """Part of the error when a run with TMGG's default options is launched there."""
    nodes: Sequence[NodeGroup]
    partitions: Sequence[Partition]
    accounts: Mapping[str, Sequence[str]]
    """QOS by account; the first QOS is the account's default. The first account is the users'
    default."""
    qos: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Settings of each QOS, as arguments of sacctmgr."""
    refused: Sequence[Refusal] = ()
    slurm_conf: Mapping[str, str] = field(default_factory=dict)
    cluster_name: str = "tmgg"
    """What Slurm calls the cluster."""
    default_cluster: bool = True
    """False if the login node has no default cluster: each command must name one."""
    job_submit: str = ""
    """Lua code with `check(job)`, which returns the words of a refusal, or nil."""

    cli_filter: str = ""
    """The whole of cli_filter.lua, which the users' commands run."""

    @property
    def node_count(self) -> int:
        """Compute nodes of all groups."""
        return sum(group.count for group in self.nodes)

    @property
    def launcher_yaml(self) -> str:
        """The whole launcher file that works there, as users would write it."""
        return _LAUNCHER_HEAD + self.launcher

    @property
    def job_submit_lua(self) -> str:
        """The whole of job_submit.lua; empty if the site has none."""
        return _PRELUDE.read_text() + "\n" + self.job_submit if self.job_submit else ""


@cache
def site_names() -> tuple[str, ...]:
    """The names of all sites, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def find_site(name: str) -> Site:
    """The site called `name`, or the site in a file, as in `/srv/mine.toml`.

    Raises OptionError, with the known names, if there is no such site.
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
    """The site in the text of a file.

    Raises OptionError for a key that is unknown or missing, or that names a group or QOS that the
    file does not define.
    """
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
