"""What `sshare` says of an account's share. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.experiment_utils.cloud.slurm.site.site import Settings

SHARE_FORMAT = "Account,User,RawShares,NormShares,RawUsage,EffectvUsage,FairShare"


@dataclass(frozen=True, kw_only=True, slots=True)
class FairShare:
    """How much one account of the user has used of its share."""

    account: str
    factor: float
    """From 1, nothing used yet, to 0; 0.5 is about as much as its share."""
    usage: float | None
    """Which part of the cluster's recent use was this account's, decayed over time."""


def parse_shares(rows: Sequence[Settings], user: str) -> list[FairShare]:
    """The rows of `user` in SHARE_FORMAT; those without a factor are left out."""
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
