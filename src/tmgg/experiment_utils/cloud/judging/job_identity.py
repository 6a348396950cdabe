"""Whether a job that the backend reports is the job that was submitted. Pure.

A job's number is not enough: a controller that lost its state gives out the same numbers again, and
two clusters that share a home may both have a job 12. A job carries the token of its submission as
its comment. If a site replaces the comment, the paths of the script and the log decide, together
with the owner and the time of submission. Owner and time alone prove nothing: a user has many jobs.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# Clocks of one cluster differ by less: munge rejects messages if two clocks differ by over 300 s.
CLOCK_SKEW_S = 900.0
_TOKEN = re.compile(r"\btmgg:(?P<token>[0-9a-f]{32})\b")

Whose = Literal["ours", "foreign", "unclear"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """A job's script and log as the backend reports them; None if it does not report them."""

    script: str | None = None
    log: str | None = None
    """The file of its standard output: a pattern such as `%a.out`, or the path made from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobIdentity:
    """What a backend reports about the origin of a job."""

    token: str | None = None
    """A submission's token; None when the job carries none, or the site rewrote the comment."""
    user_id: int | None = None
    submitted_at: tuple[float, ...] = ()
    """Unix time. Two values if the local time is ambiguous (the hour that occurs twice when clocks
    are set back), empty if the backend did not report it."""
    restarts: int | None = None
    """How often it was restarted. The time of a requeue counts as a new `submitted_at`."""
    places: Places | None = None
    """None if the backend was not asked for them or did not answer."""
    submit_line: str | None = None
    """The command line that submitted it; None if the backend has none on record."""
    is_by_account: bool = False
    """Whether these facts come only from the accounts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What TMGG has on record about a submission's job."""

    token: str
    user_id: int | None
    not_before: float
    """Unix time at which the intent was written, before the submission."""
    not_after: float | None
    """Unix time at which the job's number was noted; None if it has not been noted."""
    cluster: str | None = None
    """The cluster to which it was submitted."""
    script: str = ""
    """The path of its job script; empty if it is not known."""
    log: str = ""
    """The beginning of the path of its standard output."""


def whose_job(claim: Claim, identity: JobIdentity) -> Whose:
    """Whether the job with this identity is the job of the claim."""
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
    """`ours` means only that it was submitted at the same time as the claim's job."""
    if not identity.submitted_at:
        return "unclear"
    if max(identity.submitted_at) < claim.not_before - CLOCK_SKEW_S:
        return "foreign"
    if claim.not_after is None or min(identity.submitted_at) <= claim.not_after + CLOCK_SKEW_S:
        return "ours"
    return {None: "unclear", 0: "foreign"}.get(identity.restarts, "ours")  # type: ignore[return-value]


def _by_submit_line(claim: Claim, identity: JobIdentity, by_time: Whose) -> Whose:
    """The command line of the claim's job contains its script, even if a site changed the comment.

    For Slurm releases that keep no command line only the time decides.
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
    # A site may change one of the two: a wrapper of sbatch may submit a copy of the script.
    return "foreign" if has_script is False and has_log is False else "unclear"


def _begins(log: str, beginning: str) -> bool:
    # Slurm shows a percent sign either doubled, as it was written, or single.
    return log.replace("%%", "%").startswith(beginning)


def are_same(one: JobIdentity | None, other: JobIdentity | None) -> bool:
    """Whether two answers can be about one job; an unknown value counts as equal to any."""
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
    """The token in a comment or a command line; None unless there is exactly one."""
    found = {match["token"] for match in _TOKEN.finditer(text)}
    return found.pop() if len(found) == 1 else None


def local_times(text: str) -> tuple[float, ...]:
    """`2026-11-28T15:10:09` in this machine's time zone as Unix time; empty if it is not a time.

    Two values if the local time is ambiguous.
    """
    try:
        first = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")
        return tuple(sorted({first.timestamp(), first.replace(fold=1).timestamp()}))
    except (ValueError, OverflowError, OSError):
        return ()
