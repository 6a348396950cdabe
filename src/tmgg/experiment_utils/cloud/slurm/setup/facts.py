"""What the site says about itself: the answers to a few questions; some may have no answer."""

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
    """A field is empty if the site did not answer; `unanswered` says why."""

    version: str
    settings: Settings
    partitions: Sequence[Settings]
    """The partitions that this user may see."""
    nodes: Mapping[str, Sequence[Node]]
    """Nodes by partition."""
    associations: Sequence[Settings]
    """The user's accounts on this cluster, with partition, QOS and limits."""
    qualities: Sequence[Settings]
    default_account: str
    clusters: Sequence[str]
    """All clusters in the accounting database."""
    has_accounts: bool
    unanswered: Mapping[str, str]
    """By question: why there is no answer."""

    @property
    def cluster(self) -> str:
        """The name of the cluster that answers."""
        return self.settings.get("ClusterName", "")

    @property
    def accounts(self) -> list[str]:
        """The user's accounts, the default account first."""
        names = sorted({row["Account"] for row in self.associations if row.get("Account")})
        return sorted(names, key=lambda name: name != self.default_account)

    def qos_of(self, account: str | None, partition: str | None) -> list[str]:
        """The qualities of service that the user may name with this account and partition.

        None stands for any account or partition.
        """
        found: dict[str, None] = {}
        for row in self.associations:
            is_other = account is not None and row.get("Account") != account
            if is_other or (partition and row.get("Partition") not in ("", None, partition)):
                continue
            found |= dict.fromkeys(name for name in row.get("QOS", "").split(",") if name)
        allowed = parse_list(self.partition(partition).get("AllowQos")) if partition else None
        return [name for name in found if allowed is None or name in allowed]

    def partition(self, name: str | None) -> Settings:
        """The settings of the partition; empty if there is no such partition."""
        rows = [row for row in self.partitions if row.get("PartitionName") == name]
        return rows[0] if rows else {}


def gather(queries: SiteQueries) -> Facts:
    """Asks Slurm at most eight questions.

    Raises BackendError if the controller does not answer.
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
