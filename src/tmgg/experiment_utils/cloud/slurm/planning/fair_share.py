"""What `sshare` says about an account's share of the cluster. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.experiment_utils.cloud.slurm.site.site import Settings

SHARE_FORMAT = "Account,User,RawShares,NormShares,RawUsage,EffectvUsage,FairShare"


@dataclass(frozen=True, kw_only=True, slots=True)
class FairShare:
    """How much one account of the user has used of its share."""

    account: str
    factor: float
    """1 if nothing was used yet, about 0.5 if as much as the share was used; the least is 0."""
    usage: float | None
    """The account's part of the cluster's recent use (0 to 1), decayed over time; or None."""


def parse_shares(rows: Sequence[Settings], user: str) -> list[FairShare]:
    """The shares of `user` in rows of SHARE_FORMAT; rows without a factor are left out."""
    shares = []
    for row in rows:
        factor = _number(row.get("FairShare"))
        if row.get("User", "").strip() != user or factor is None:
            continue
        usage = _number(row.get("EffectvUsage"))
        account = row.get("Account", "").strip()
        shares.append(FairShare(account=account, factor=factor, usage=usage))
    return shares


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
