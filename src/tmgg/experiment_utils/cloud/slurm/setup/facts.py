"""What the site says about itself: a fixed number of questions, each of which may go unanswered."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tmgg.errors import BackendError
from tmgg.experiment_utils.cloud.slurm.commands import AccountingAbsentError
from tmgg.experiment_utils.cloud.slurm.site.site import Node, Settings, parse_list
from tmgg.experiment_utils.cloud.slurm.site.site_queries import SiteQueries
from tmgg.experiment_utils.files.accounts import user_name

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Empty is what the site did not tell; `unanswered` says why."""

    version: str
    settings: Settings
    partitions: Sequence[Settings]
    """The partitions that this user may see."""
    nodes: Mapping[str, Sequence[Node]]
    """By partition."""
    associations: Sequence[Settings]
    """The user's accounts on this cluster, with partition, QOS and limits."""
    qualities: Sequence[Settings]
    default_account: str
    clusters: Sequence[str]
    """All that the accounts know of."""
    has_accounts: bool
    unanswered: Mapping[str, str]
    """By what was asked: why there is no answer."""

    @property
    def cluster(self) -> str:
        """The name of the one that answers."""
        return self.settings.get("ClusterName", "")

    @property
    def accounts(self) -> list[str]:
        """The user's, the default first."""
        names = sorted({row["Account"] for row in self.associations if row.get("Account")})
        return sorted(names, key=lambda name: name != self.default_account)

    def qos_of(self, account: str | None, partition: str | None) -> list[str]:
        """The qualities of service that the user may name with these; all where it is open."""
        found: dict[str, None] = {}
        for row in self.associations:
            is_other = account is not None and row.get("Account") != account
            if is_other or (partition and row.get("Partition") not in ("", None, partition)):
                continue
            found |= dict.fromkeys(name for name in row.get("QOS", "").split(",") if name)
        allowed = parse_list(self.partition(partition).get("AllowQos")) if partition else None
        return [name for name in found if allowed is None or name in allowed]

    def partition(self, name: str | None) -> Settings:
        """Its settings; empty for none."""
        rows = [row for row in self.partitions if row.get("PartitionName") == name]
        return rows[0] if rows else {}


def gather(queries: SiteQueries) -> Facts:
    """Eight questions at most.

    Raises BackendError where the controller does not answer: then nothing can be learned.
    """
    version = queries.version()
    unanswered: dict[str, str] = {}

    def asked(what: str, ask: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
        try:
            return ask()
        except BackendError as error:
            unanswered[what] = str(error).splitlines()[0]
            return otherwise

    settings = queries.settings()
    partitions = queries.partitions()
    nodes: dict[str, list[Node]] = asked("nodes", queries.nodes_by_partition, {})
    has_accounts = True
    try:
        rows = queries.associations()
    except AccountingAbsentError:
        rows, has_accounts = list[Settings](), False
    except BackendError as error:
        rows, unanswered["accounts"] = [], str(error).splitlines()[0]
    asks_accounts = has_accounts and "accounts" not in unanswered
    cluster = settings.get("ClusterName", "")
    return Facts(
        version=version,
        settings=settings,
        partitions=partitions,
        nodes=nodes,
        associations=[row for row in rows if row.get("Cluster", cluster) in ("", cluster)],
        qualities=asked("qualities", queries.qualities, []) if asks_accounts else [],
        default_account=(
            asked("default account", lambda: queries.default_account(_user()), "")
            if asks_accounts
            else ""
        ),
        clusters=asked("clusters", queries.clusters, []) if asks_accounts else [],
        has_accounts=has_accounts,
        unanswered=unanswered,
    )


def _user() -> str:
    return user_name(os.getuid())
