"""Script and log of a job whose comment has no token of TMGG, to see whose job it is.

Some sites replace the comment. A controller that lost its state gives the same job numbers again,
also to jobs without a comment. Its script and its log distinguish a job from all other jobs of its
user.
"""

import logging
from collections.abc import Iterable

from tmgg.errors import BackendError
from tmgg.experiment_utils.cloud.judging.job_identity import Places
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.parsing import QueueEntry

log = logging.getLogger(__name__)

# Each job costs a question to Slurm; further jobs are looked up in the next calls.
ASKED_AT_ONCE = 25


def find_places(client: SlurmClient, entries: Iterable[QueueEntry]) -> dict[str, Places]:
    """Script and log of these jobs, by job number.

    A job is left out if Slurm did not answer about it, or if ASKED_AT_ONCE jobs came before it.
    """
    found: dict[str, Places] = {}
    asked = 0
    for entry in entries:
        base = entry.array_id.partition("_")[0]
        name = f"{base} {entry.submit_time}"  # a later job may have the same number
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
