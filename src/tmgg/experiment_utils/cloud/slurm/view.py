"""What Slurm says about many jobs, in at most two questions: the controller, then the accounts."""

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
# Each costs a question; the others are unknown until the next time.
CONFIRMED_AT_ONCE = 25


def view_jobs(client: SlurmClient, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
    """The view of each job; None for one about which nobody could be asked.

    A job the controller no longer knows is looked up in the accounts; so is one that failed, for
    what only its steps tell (an out-of-memory kill leaves the job itself FAILED).
    """
    unknown = JobView(phase="unknown")
    # Slurm forgets at once an element that is cancelled before it begins; the others it knows.
    taken_out = replace(unknown, state="CANCELLED", reason=TAKEN_OUT, kind="cancelled")
    # A damaged record's id would make Slurm refuse the question about all the others, too.
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
    # The accounts alone never say "no such job": a job reaches them with a delay.
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
    """The arrays of which the accounts have every element that waits or has begun."""
    cut = {base_of(entry.job_id) for entry in accounts.values() if "..." in entry.job_id}
    return {base_of(job_id) for job_id in accounts} - cut


def _is_absent(view: JobView | None) -> bool:
    """Whether all that speaks for the end of a job is that it was not in squeue's answer."""
    return view is not None and view.phase == "unknown"


def _not_confirmed(client: SlurmClient, job_ids: Sequence[str], *, is_alone: bool) -> list[str]:
    """The jobs of which the controller, asked about each alone, does not say that it has none.

    `is_alone`: the accounts did not answer; then scontrol must say it, too. A squeue may ask
    another cluster, and what only one command says of one number is no proof of an end.

    For an element of an array, its array: that an array has lost an element needs no more proof.
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
    """What squeue knows, and where the job was submitted from, if that was asked for."""
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
    """What sacct knows; its first answer after an outage can be FAILED 0:0 (corrected later)."""
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
        # Not the user: sacct has 0 for one that it cannot look up.
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
    """The controller is believed on how the job stands, the accounts on why it failed.

    What the accounts have under its number may be an older job's, or a younger one's.
    """
    if queue is None:
        return account if _is_over(account) else None
    if not are_same(queue.identity, account.identity):
        return queue
    if queue.phase == "unknown":
        # Accounts can hold a job as running for ever when its end was lost ("runaway jobs").
        if account.phase == "ended":
            return account
        known = account if queue.kind is None else queue
        return replace(known, phase="unknown", identity=account.identity, otherwise=queue)
    if account.phase != "ended" or queue.kind is not None:
        return queue
    return replace(queue, kind=account.kind)


def _is_over(account: JobView) -> bool:
    """Whether the accounts alone prove the end; while the controller is silent they may be old.

    What Slurm puts back into the queue by itself has an end there before it begins again.
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
    """None where there are accounts that did not answer."""
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
    """The same words, poll after poll, are a warning the first time only."""
    words = str(error)
    log.log(logging.INFO if client.silent.get(source) == words else logging.WARNING, "%s", words)
    client.silent[source] = words
