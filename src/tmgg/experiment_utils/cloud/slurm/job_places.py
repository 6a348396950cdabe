"""Where a job was submitted from, for jobs whose comment does not say whose they are.

Some sites write the comment anew, and a controller that lost its state gives numbers out again to
jobs that have none. The script and the log of a job tell it from all others of its user.
"""

import logging
from collections.abc import Iterable

from tmgg.errors import BackendError
from tmgg.experiment_utils.cloud.judging.job_identity import Places
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.parsing import QueueEntry

log = logging.getLogger(__name__)

# Each costs a question; the others are unknown until the next time.
ASKED_AT_ONCE = 25


def find_places(client: SlurmClient, entries: Iterable[QueueEntry]) -> dict[str, Places]:
    """Where these jobs write, by their number in Slurm; none for a job nobody could ask about."""
    found: dict[str, Places] = {}
    asked = 0
    for entry in entries:
        base = entry.array_id.partition("_")[0]
        name = f"{base} {entry.submit_time}"  # a number that came again is another job's
        if name not in client.places and asked < ASKED_AT_ONCE:
            asked += 1
            places = _ask(client, base)
            if places is not None:
                client.places[name] = places
        if name in client.places:
            found[entry.job_id] = client.places[name]
    return found


def _ask(client: SlurmClient, job_id: str) -> Places | None:
    try:
        details = client.job_details(job_id)
    except BackendError as error:
        log.info("what job %s runs is not known: %s", job_id, error)
        return None
    if not details:
        return None
    return Places(script=_known(details.get("Command")), log=_known(details.get("StdOut")))


def _known(text: str | None) -> str | None:
    return None if text in (None, "", "(null)") else text
