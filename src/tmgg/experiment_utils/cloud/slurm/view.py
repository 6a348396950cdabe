"""What Slurm says about many jobs: first the controller is asked, then the accounting database.

Questions about single jobs follow only if these answers leave something open.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.judging.job_identity import (
    JobIdentity,
    Places,
    are_same,
    local_times,
    token_in,
)
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.commands import AccountingAbsentError
from tmgg.experiment_utils.cloud.slurm.job_ids import base_of
from tmgg.experiment_utils.cloud.slurm.job_places import find_places
from tmgg.experiment_utils.cloud.slurm.parsing import (
    JOB_ID,
    AccountingEntry,
    QueueEntry,
)
from tmgg.experiment_utils.cloud.slurm.states import meaning_of, parse_state

log = logging.getLogger(__name__)

TAKEN_OUT = "taken out of its array before it began"
# Each job costs a question to Slurm; what further jobs do is not known in this call.
CONFIRMED_AT_ONCE = 25


def view_jobs(client: SlurmClient, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
    """The view of each job; None for a job about which Slurm did not answer.

    A job that the controller no longer knows is looked up in the accounting database. So is a job
    that failed: an out-of-memory kill leaves the job itself FAILED, and only its steps show it.
    """
    unknown = JobView(phase="unknown")
    # If an element is cancelled before it begins, Slurm forgets it at once, but not its array.
    taken_out = replace(unknown, state="CANCELLED", reason=TAKEN_OUT, kind="cancelled")
    # A malformed id from a damaged record would make Slurm refuse the question about all jobs.
    numbers = [job_id for job_id in job_ids if JOB_ID.fullmatch(job_id)]
    views: dict[str, JobView | None] = dict.fromkeys(job_ids, unknown)
    queue = _ask_queue(client, numbers) if numbers else {}
    nameless = [
        queue[job_id]
        for job_id in numbers
        if queue and job_id in queue and token_in(queue[job_id].comment) is None
    ]
    places = find_places(client, nameless)
    arrays = {entry.array_id.partition("_")[0] for entry in (queue or {}).values()}
    missing = [
        job_id
        for job_id in numbers
        if queue is not None and job_id not in queue and job_id.partition("_")[0] not in arrays
    ]
    for job_id in numbers:
        if queue is None:
            views[job_id] = None
        elif job_id in queue:
            views[job_id] = view_of_queue(queue[job_id], places.get(queue[job_id].job_id))
        elif "_" in job_id and job_id.partition("_")[0] in arrays:
            views[job_id] = taken_out
    unclear = [job_id for job_id in numbers if _is_unclear(views[job_id])]
    accounts = _ask_accounts(client, unclear) if unclear else {}
    is_alone = accounts is None
    accounts = accounts or {}
    # The accounting database alone never proves "no such job": a job reaches it with a delay.
    for job_id in accounts.keys() & views.keys():
        views[job_id] = merge(views[job_id], view_of_account(accounts[job_id]))
    arrays_told = _arrays_told(accounts)
    for job_id in numbers:
        if views[job_id] is taken_out and job_id.partition("_")[0] in arrays_told:
            views[job_id] = replace(taken_out, never_began=True)
    absent = [job_id for job_id in missing if _is_absent(views[job_id])]
    for job_id in _not_confirmed(client, absent, is_alone=is_alone):
        views[job_id] = None
    return views


def _arrays_told(accounts: Mapping[str, AccountingEntry]) -> set[str]:
    """The arrays of which the accounting database lists every element that waits or has begun."""
    cut = {base_of(entry.job_id) for entry in accounts.values() if "..." in entry.job_id}
    return {base_of(job_id) for job_id in accounts} - cut


def _is_absent(view: JobView | None) -> bool:
    """Whether the only sign of a job's end is that squeue's answer did not have it."""
    return view is not None and view.phase == "unknown"


def _not_confirmed(client: SlurmClient, job_ids: Sequence[str], *, is_alone: bool) -> list[str]:
    """The jobs for which the controller does not confirm that it has no such job.

    It is asked about each job alone.

    `is_alone`: the accounting database did not answer. Then scontrol must confirm it as well as
    squeue: squeue may ask another cluster, so one command alone does not prove that a job ended.

    For an element of an array, the question is about the array. (An element that is missing while
    its array is known needs no such question.)
    """
    bases = list(dict.fromkeys(job_id.partition("_")[0] for job_id in job_ids))
    open_bases = set(bases[CONFIRMED_AT_ONCE:])
    for base in bases[:CONFIRMED_AT_ONCE]:
        try:
            known = client.knows(base) or (is_alone and client.job_details(base) != {})
        except QueryError as error:
            log.warning("%s", error)
            known = True
        if known:
            open_bases.add(base)
    return [job_id for job_id in job_ids if job_id.partition("_")[0] in open_bases]


def view_of_queue(entry: QueueEntry, places: Places | None = None) -> JobView:
    """The view from squeue's entry; `places` are the job's script and log, if they are known."""
    meaning = meaning_of(entry.state)
    ended = meaning.phase == "ended"
    return JobView(
        phase=meaning.phase,
        state=parse_state(entry.state),
        reason=entry.reason,
        kind=meaning.kind,
        exit_code=entry.exit_code if ended else None,
        restarts=entry.restarts,
        identity=JobIdentity(
            token=token_in(entry.comment),
            user_id=entry.user_id,
            submitted_at=local_times(entry.submit_time),
            restarts=entry.restarts,
            places=places,
        ),
        nodes=entry.nodes,
        estimated_start=entry.start_time or None if meaning.phase == "pending" else None,
    )


def view_of_account(entry: AccountingEntry) -> JobView:
    """The view from sacct's entry. It is not settled if the entry is FAILED 0:0.

    After an outage sacct can say this first, and correct it later.
    """
    meaning = meaning_of(entry.state)
    kind = "out_of_memory" if entry.out_of_memory and meaning.kind is None else meaning.kind
    state = parse_state(entry.state)
    return JobView(
        phase=meaning.phase,
        state=state,
        reason=entry.state if entry.state.strip() != state else "",
        kind=kind if meaning.phase == "ended" and state != "COMPLETED" else None,
        exit_code=entry.exit_code,
        nodes=entry.nodes,
        # Without the user: sacct prints 0 for a user that it cannot look up.
        identity=JobIdentity(
            token=token_in(entry.submit_line),
            submitted_at=local_times(entry.submit_time),
            submit_line=entry.submit_line or None,
            is_by_account=True,
        ),
        is_from_accounts=True,
        settled=not (state == "FAILED" and entry.exit_code == "0:0"),
    )


def merge(queue: JobView | None, account: JobView) -> JobView | None:
    """The controller decides how the job stands, the accounting database why it failed.

    The database's entry with this number may be of an older or a younger job; it is ignored then.
    """
    if queue is None:
        return account if _is_over(account) else None
    if not are_same(queue.identity, account.identity):
        return queue
    if queue.phase == "unknown":
        # The database can list a job as running for ever if its end was lost ("runaway jobs").
        if account.phase == "ended":
            return account
        known = account if queue.kind is None else queue
        return replace(known, phase="unknown", identity=account.identity, otherwise=queue)
    if account.phase != "ended" or queue.kind is not None:
        return queue
    return replace(queue, kind=account.kind)


def _is_over(account: JobView) -> bool:
    """Whether the accounting database alone proves that the job has ended.

    While the controller does not answer, the entry may be old: a job that Slurm requeued by itself
    has an end in the database until it begins again.
    """
    return account.phase == "ended" and account.kind not in ("node_fail", "preempted")


def _is_unclear(view: JobView | None) -> bool:
    if view is None or view.phase == "unknown":
        return True
    return view.phase == "ended" and view.state == "FAILED"


def _ask_queue(client: SlurmClient, job_ids: Sequence[str]) -> dict[str, QueueEntry] | None:
    try:
        found = client.queue(job_ids)
    except QueryError as error:
        _warn_once(client, "queue", error)
        return None
    client.silent.pop("queue", None)
    return found


def _ask_accounts(client: SlurmClient, job_ids: Sequence[str]) -> dict[str, AccountingEntry] | None:
    """None if the accounting database did not answer; empty if there is no such database."""
    try:
        found = client.accounting(job_ids)
    except AccountingAbsentError:
        return {}
    except QueryError as error:
        _warn_once(client, "accounts", error)
        return None
    client.silent.pop("accounts", None)
    return found


def _warn_once(client: SlurmClient, source: str, error: QueryError) -> None:
    """Log the error as a warning; if the source said the same in the last poll, only as info."""
    words = str(error)
    log.log(logging.INFO if client.silent.get(source) == words else logging.WARNING, "%s", words)
    client.silent[source] = words
