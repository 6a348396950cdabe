"""Parsers of what `sbatch --test-only` prints. Pure.

Recorded from Slurm 22.05.8, 24.11.5 and 26.05.5; 26.05.5 prints the letter `a` after the time.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from tmgg.experiment_utils.cloud.slurm.definite_refusals import NO_CODE
from tmgg.experiment_utils.cloud.slurm.refusal_words import WOULD_REFUSE, shortened

_START = re.compile(
    r"Job \d+ to start at (?P<at>\S+)"
    r"(?:.*? using (?P<processors>\d+) \w+ on (?:nodes? )?(?P<nodes>\S+)"
    r" in partition (?P<partition>\S+))?"
)
_ERROR = re.compile(r"^sbatch: error: (?P<words>.*)$", re.MULTILINE)
_REFUSED = re.compile(rf"{re.escape(WOULD_REFUSE)}\s*(?P<words>.*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """When and where Slurm expects to start a job that is submitted now."""

    at: datetime | None
    """In the cluster's time zone; None if Slurm names no time."""
    processors: int | None = None
    """CPUs that the job would have on all nodes together; None if Slurm does not say it."""
    nodes: str = ""
    partition: str = ""


def parse_start(text: str) -> Start | None:
    """When and where the job would start; None if the text does not say it."""
    found = _START.search(text)
    if found is None:
        return None
    processors = found["processors"]
    return Start(
        at=_time(found["at"]),
        processors=None if processors is None else int(processors),
        nodes=found["nodes"] or "",
        partition=found["partition"] or "",
    )


def parse_refusal(text: str) -> str:
    """Why Slurm would refuse the job, the site's own words first; empty if it would not."""
    refused = _REFUSED.search(text)
    if refused is None:
        return ""
    own = [found["words"].strip() for found in _ERROR.finditer(text)]
    told = [words for words in (*own, refused["words"].strip()) if words]
    # A site's own rules (job_submit.lua) have no code of Slurm's.
    kept = [words for words in told if words != NO_CODE] or told
    return "; ".join(shortened(list(dict.fromkeys(kept))))


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None  # N/A or Unknown
