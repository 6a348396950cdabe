"""Which accounts and QOS a cluster's users have. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from slurm_cluster.options import ClusterOptions
from slurm_cluster.users import PEOPLE

ACCOUNT = "research"
TINY_QOS = "tiny"
_TINY = ("MaxJobsPU=1", "MaxSubmitJobsPU=2", "MaxTRESPerJob=cpu=1", "Flags=DenyOnLimit")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """What the accounting database should hold."""

    cluster: str
    accounts: Mapping[str, Sequence[str]]
    """QOS by account; the first QOS is the account's default. All users are in each account."""
    qos: Mapping[str, Sequence[str]]
    """Settings of each QOS, as arguments of sacctmgr."""
    more_qos: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """QOS that only one user has, by user."""

    def to_json(self) -> str:
        """The plan as text: two plans with the same text are the same."""
        return json.dumps(asdict(self), indent=1) + "\n"


def plan_accounts(options: ClusterOptions) -> AccountPlan:
    """The site's accounts and QOS; without a site, one account, and the first user's narrow QOS."""
    if options.rules is None:
        return AccountPlan(
            cluster=options.cluster_name,
            accounts={ACCOUNT: ("normal",)},
            qos={TINY_QOS: _TINY},
            more_qos={PEOPLE[0].name: (TINY_QOS,)},
        )
    accounts = {
        name: tuple(allowed) or ("normal",) for name, allowed in options.rules.accounts.items()
    }
    return AccountPlan(cluster=options.cluster_name, accounts=accounts, qos=dict(options.rules.qos))
