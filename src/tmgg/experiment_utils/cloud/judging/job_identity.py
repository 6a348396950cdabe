"""Whether a job that the backend speaks of is the one that was submitted. Pure.

A job's number is not enough: a controller that lost its state gives the same numbers out again, and
two clusters that share a home have each a job 12. A job carries the token of its submission as its
comment; where a site writes the comment anew, its script and its log decide, beside its owner and
the time of its submission. Owner and time alone prove nothing: a user has many jobs.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# Clocks of one cluster differ by less; beyond 300 s munge refuses its machines to each other.
CLOCK_SKEW_S = 900.0
_TOKEN = re.compile(r"\btmgg:(?P<token>[0-9a-f]{32})\b")

Whose = Literal["ours", "foreign", "unclear"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where a job runs and writes, in the backend's words; None where it does not say."""

    script: str | None = None
    log: str | None = None
    """The file of its standard output; a pattern as in `%a.out`, or what became of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobIdentity:
    """What a backend says of whose a job is."""

    token: str | None = None
    """A submission's token; None when the job carries none, or the site rewrote the comment."""
    user_id: int | None = None
    submitted_at: tuple[float, ...] = ()
    """Unix time; two for an hour that the clock had twice, none where it was not told."""
    restarts: int | None = None
    """A job that is requeued counts as submitted in that moment."""
    places: Places | None = None
    """None where it was not asked for them, or did not answer."""
    submit_line: str | None = None
    """The command line that submitted it; None where the backend has none on record."""
    is_by_account: bool = False
    """Only the accounts tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What is on record of a submission's job."""

    token: str
    user_id: int | None
    not_before: float
    """Unix time at which it was written down, before it was submitted."""
    not_after: float | None
    """When its number was noted; None while it was not."""
    cluster: str | None = None
    """Where it was submitted."""
    script: str = ""
    """Its job script; empty where that is not known."""
    log: str = ""
    """How the path of its standard output begins."""


def whose_job(claim: Claim, identity: JobIdentity) -> Whose:
    """Whether the job is the claim's."""
    if None not in (claim.user_id, identity.user_id) and claim.user_id != identity.user_id:
        return "foreign"
    if identity.token is not None:
        return "ours" if identity.token == claim.token else "foreign"
    by_time = _by_time(claim, identity)
    if by_time == "foreign":
        return by_time
    if identity.is_by_account:
        return _by_submit_line(claim, identity, by_time)
    return _by_places(claim, identity.places)


def _by_time(claim: Claim, identity: JobIdentity) -> Whose:
    """`ours` means only that it was submitted when the claim's job was."""
    if not identity.submitted_at:
        return "unclear"
    if max(identity.submitted_at) < claim.not_before - CLOCK_SKEW_S:
        return "foreign"
    if claim.not_after is None or min(identity.submitted_at) <= claim.not_after + CLOCK_SKEW_S:
        return "ours"
    return {None: "unclear", 0: "foreign"}.get(identity.restarts, "ours")  # type: ignore[return-value]


def _by_submit_line(claim: Claim, identity: JobIdentity, by_time: Whose) -> Whose:
    """The command line of the claim's job holds its token and its script, whatever became of the
    comment. Releases that keep no command line tell no more than the time.
    """
    if identity.submit_line is None:
        return by_time
    return "ours" if claim.script and claim.script in identity.submit_line else "foreign"


def _by_places(claim: Claim, places: Places | None) -> Whose:
    if places is None or not claim.script:
        return "unclear"
    has_script = None if places.script is None else places.script == claim.script
    has_log = None if places.log is None or not claim.log else _begins(places.log, claim.log)
    if has_script or has_log:
        return "ours"
    # One of them alone may be a site's doing: a wrapper of sbatch that submits a copy.
    return "foreign" if has_script is False and has_log is False else "unclear"


def _begins(log: str, beginning: str) -> bool:
    # Slurm shows a percent sign as it was written, doubled, or alone.
    return log.replace("%%", "%").startswith(beginning)


def are_same(one: JobIdentity | None, other: JobIdentity | None) -> bool:
    """Whether two answers can be about one job; what is not known differs from nothing."""
    if one is None or other is None:
        return True
    if one.token is not None and other.token is not None:
        return one.token == other.token
    if not (one.submitted_at and other.submitted_at):
        return True
    restarted = one.restarts or other.restarts
    gap_s = min(abs(a - b) for a in one.submitted_at for b in other.submitted_at)
    return bool(restarted) or gap_s <= CLOCK_SKEW_S


def token_in(text: str) -> str | None:
    """The token in a comment or a command line; None when there is not exactly one."""
    found = {match["token"] for match in _TOKEN.finditer(text)}
    return found.pop() if len(found) == 1 else None


def local_times(text: str) -> tuple[float, ...]:
    """`2026-11-28T15:10:09` in this machine's time zone as Unix time; empty when it is no time."""
    try:
        first = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")
        return tuple(sorted({first.timestamp(), first.replace(fold=1).timestamp()}))
    except (ValueError, OverflowError, OSError):
        return ()
