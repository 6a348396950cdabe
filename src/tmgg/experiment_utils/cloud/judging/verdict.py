"""The only place that decides the state of a run. Pure: evidence in, a `RunState` out.

Order of trust: the run's result, if this restart wrote it; the job's own exit record; the backend's
answer. A backend that did not answer proves nothing. A job that ended without a result failed, even
if the backend reports COMPLETED with exit code 0 (Ray's symmetric-run ends like that if Ray never
started). `grace_s` limits how long TMGG waits for a missing file or job.
"""

from dataclasses import dataclass, replace
from typing import Literal

from tmgg.experiment_utils.cloud.judging.diagnosis import LogTails, diagnose_exit, diagnose_output
from tmgg.experiment_utils.cloud.judging.job_identity import Claim, JobIdentity, whose_job
from tmgg.experiment_utils.cloud.runs import RunState, Status
from tmgg.experiment_utils.job.job_exit_codes import CANNOT_WRITE
from tmgg.experiment_utils.run_folder.evidence import Evidence
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord
from tmgg.experiment_utils.run_folder.failures import (
    Failure,
    FailureKind,
    HintName,
    failure,
)
from tmgg.experiment_utils.run_folder.task import TaskOutput, nodes_of

# Exit codes with which a result line in the log can be trusted.
_ENDS_OF_A_LINE = (0, CANNOT_WRITE)
_CODES_OF_A_LINE = tuple(f"{code}:0" for code in _ENDS_OF_A_LINE)
# Failures that are neither the run's fault nor intended by a user.
_INTERRUPTIONS = ("timeout", "preempted", "node_fail")
JobPhase = Literal["pending", "running", "ended", "unknown", "replaced"]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobView:
    """What the backend said about a job."""

    phase: JobPhase
    """`unknown`: the backend answered that it does not know the job. `replaced`: it gave the job's
    number to another job, so it has lost this one."""
    state: str = ""
    """The backend's own name of the state."""
    reason: str = ""
    kind: FailureKind | None = None
    """Why it failed; None if the state alone does not tell."""
    exit_code: str | None = None
    """`code:signal`."""
    restarts: int | None = None
    """How often the backend restarted the job; None if it does not report that."""
    nodes: str = ""
    estimated_start: str | None = None
    never_began: bool = False
    """No source knows this job, although each knows the jobs that were submitted with it."""
    settled: bool = True
    """False if the backend is known to correct such an answer later."""
    identity: JobIdentity | None = None
    """What the backend reports about the job's origin; None if it never uses a job id twice."""
    is_from_accounts: bool = False
    """Whether the answer comes only from the accounts, which may have one number several times."""
    otherwise: "JobView | None" = None
    """The answer that counts if the accounts' answer is about another job."""


REPLACED = JobView(phase="replaced")
REPLACED_NOTE = (
    "the backend has given this job's number to another job, so it has lost this one; whether it "
    "still runs cannot be told. tmgg-jobs cancel gives it up"
)


def own_view(view: JobView | None, claim: Claim | None) -> JobView | None:
    """`view` if it is about the claim's job; None, as for no answer, if that is not clear."""
    if view is None or view.identity is None or claim is None:
        return view
    whose = whose_job(claim, view.identity)
    if whose == "ours":
        return view
    if view.is_from_accounts:
        return view.otherwise
    return REPLACED if whose == "foreign" else None


def reach_verdict(
    evidence: Evidence, view: JobView | None, logs: LogTails, *, grace_s: float
) -> RunState:
    """The state of the run; `view` is None if the backend did not answer.

    If the state is not final, the caller has to note since when `is_missing` is true; `grace_s`
    counts from then.
    """
    current = _of_current_restart(_weighed(evidence, view), view)
    # If a run ended while its job goes on with other runs, the backend knows nothing of that.
    told = None if _ended_within_its_job(current) else view
    state = _base_state(current, told)
    if _cancelled_before_it_began(current):
        return _failed(state, _cancelled(current, begun=False))
    if _over(current, view, grace_s=grace_s):
        return _final(state, current, told, logs)
    if _ended_within_its_job(current):
        return replace(state, status="running", note="its result is on its way")
    if view is None:
        running = current.claimed or current.result is not None
        note = "the backend does not say how its job is; this is the last that is known"
        status: Status = "running" if running else "pending"
        return replace(state, status=status, answered=False, note=note)
    if view.phase == "replaced":
        lost: Status = "running" if current.claimed else "pending"
        return replace(state, status=lost, answered=False, note=REPLACED_NOTE)
    if view.phase == "pending":
        return replace(state, status="pending")
    if view.phase == "unknown" and not current.claimed:
        return replace(state, status="pending", note="not yet known to the backend")
    if current.shares_job and not current.claimed:
        return replace(state, status="pending", reason="waits for its turn in its job")
    return replace(state, status="running")


def _cancelled_before_it_began(evidence: Evidence) -> bool:
    record = evidence.exit_record
    if record is not None:
        return record.stage == "cancelled"
    # If the run has its own job, the backend is asked first: it may have begun before the cancel.
    return evidence.shares_job and evidence.forbidden and evidence.cancel_requested


def is_missing(evidence: Evidence, view: JobView | None) -> bool:
    """Whether the job itself or its result is missing."""
    if view is None or view.phase in ("pending", "running", "replaced"):
        return False
    return not has_trusted_end(_of_current_restart(_weighed(evidence, view), view))


def _weighed(evidence: Evidence, view: JobView | None) -> Evidence:
    """The evidence without a result line `completed` that the job's end contradicts.

    Publishing the result file is the last action of an experiment's process. The line in the log
    counts instead only if the file could not be written (exit code 74) or was lost later.
    """
    result, record = evidence.result, evidence.exit_record
    if result is None or result.status != "completed" or not evidence.result_is_line:
        return evidence
    if record is not None and record.restart == result.restart:
        by_itself = not record.signal and record.exit_code in _ENDS_OF_A_LINE
        agrees = record.entrypoint_exit_code == 0 or by_itself
    elif view is None or view.phase in ("pending", "running", "unknown"):
        return evidence
    else:
        # Slurm also reports 0:0 for a job that was cancelled or ran out of time.
        ended_well = view.phase == "ended" and view.kind is None
        agrees = ended_well and view.exit_code in _CODES_OF_A_LINE
    return evidence if agrees else replace(evidence, result=None, result_is_line=False)


def _over(evidence: Evidence, view: JobView | None, *, grace_s: float) -> bool:
    if has_trusted_end(evidence):
        return True
    waited = evidence.missing_since_s is not None and evidence.missing_since_s >= grace_s
    if view is None or _ended_within_its_job(evidence):
        # If the backend does not answer or does not know of this run, the exit record is enough.
        record = evidence.exit_record
        if record is not None and not record.signal and record.age_s >= grace_s:
            return True
    if view is None:
        return False
    if view.phase == "replaced":
        # Nothing starts it again, so an exit record is its end; else only the user can give it up.
        record = evidence.exit_record
        told = record is not None and (record.entrypoint_exit_code is None or waited)
        return told or (record is not None and record.age_s >= grace_s) or evidence.cancel_requested
    if view.phase == "unknown":
        if view.never_began and not evidence.claimed:
            return True
        return waited or (evidence.exit_record is not None and _nothing_to_wait_for(evidence, view))
    return view.phase == "ended" and (waited or _nothing_to_wait_for(evidence, view))


def has_trusted_end(evidence: Evidence) -> bool:
    """Whether it ended by itself and left all its files: then the backend need not be asked."""
    record, result = evidence.exit_record, evidence.result
    if record is None or record.signal or record.restart < evidence.last_start:
        return False
    if result is not None and record.restart == result.restart:
        return True
    return record.scope == "run" and record.entrypoint_exit_code is None


def _ended_within_its_job(evidence: Evidence) -> bool:
    record = evidence.exit_record
    return record is not None and record.scope == "run" and not record.signal


def _nothing_to_wait_for(evidence: Evidence, view: JobView) -> bool:
    """Whether the job is over and none of its files can still arrive."""
    if not view.settled or evidence.result_problem is not None:
        return False  # a cut line in the log may still be completed
    if evidence.result is not None:
        return True
    record = evidence.exit_record
    if record is not None:
        return record.entrypoint_exit_code is None
    # It was ended from outside before it could write anything, so no file will come.
    if view.kind is not None or _was_killed(view):
        return True
    # If it was claimed, its files must come; if it was not, a shared job's own record must come.
    return not evidence.claimed and (not evidence.shares_job or evidence.job_record is not None)


def _was_killed(view: JobView) -> bool:
    """Whether a signal killed the job script, so that it writes nothing more."""
    code, _, number = (view.exit_code or "").partition(":")
    return number.isdigit() and int(number) > 0 and code.isdigit()


def _final(state: RunState, evidence: Evidence, view: JobView | None, logs: LogTails) -> RunState:
    result = evidence.result
    if result is not None and result.status == "completed":
        attempt = evidence.first_attempt + result.restart
        return replace(state, status="completed", final=True, attempt=attempt)
    why = _why(evidence, result, view, logs)
    record = evidence.exit_record
    # A state that an earlier start saved says nothing about this start.
    is_current = result is not None and (record is None or record.restart == result.restart)
    saved = is_current and result is not None and result.status == "stopped"
    return replace(_failed(state, why), resumable=saved and why.kind in _INTERRUPTIONS)


def _why(
    evidence: Evidence, result: TaskOutput | None, view: JobView | None, logs: LogTails
) -> Failure:
    if evidence.cancel_requested and (view is None or view.kind in (None, "cancelled")):
        return _cancelled(evidence, begun=evidence.claimed)
    if _never_began(evidence):
        return _why_unbegun(evidence, view, logs)
    if evidence.exit_record is not None and evidence.exit_record.failure is not None:
        return evidence.exit_record.failure
    if view is not None and view.phase == "replaced" and result is None:
        return failure(
            "lost",
            f"The backend lost job {evidence.job_id} (its number is another job's now), and it "
            "ended without a result.",
        )
    if evidence.exit_record is not None and (result is None or _was_told_to_end(result)):
        by_signal = _by_signal(evidence.exit_record, view, logs)
        if by_signal is not None:
            return by_signal
    # If the backend does not know the job, `kind` is only a guess why it never began.
    guess = view is not None and view.phase == "unknown" and evidence.claimed
    if view is not None and view.kind is not None and not guess:
        return _from_state(view, result)
    if result is not None:
        return _with_its_script(evidence, result, view) or diagnose_output(result)
    if evidence.result_problem is not None:
        return failure("bad_result", f"The job ended, but {evidence.result_problem}.")
    record = evidence.exit_record
    if record is not None and record.entrypoint_exit_code is not None:
        return failure(
            "bad_result",
            f"The experiment ended with exit code {record.entrypoint_exit_code} and wrote its "
            "result, but the result is not there.",
        )
    if record is None and (view is None or view.phase == "unknown"):
        return failure(
            "lost", f"Nobody knows job {evidence.job_id} any more, and it left no record."
        )
    exit_code = view.exit_code if view is not None else None
    return diagnose_exit(evidence.exit_record, exit_code, view.state if view else "", logs)


def _by_signal(record: ExitRecord, view: JobView | None, logs: LogTails) -> Failure | None:
    """The failure of a job whose script got a signal that nothing else explains; else None."""
    if not record.signal or (view is not None and view.kind is not None):
        return None
    told = diagnose_exit(record, None, "", logs)
    # Slurm itself sends TERM and says why in the log. A job that gets USR2 goes on later.
    if record.signal == "USR2" or (record.signal == "TERM" and told.kind != "user_error"):
        return None
    return failure(
        "cancelled",
        f"The job script was sent SIG{record.signal} and ended, and the experiment with it "
        f"(exit code {record.exit_code}).",
        hint="signalled",
    )


def _was_told_to_end(result: TaskOutput) -> bool:
    """Whether the experiment's error says only that a signal ended it."""
    # ray.init installs a SIGTERM handler that does this (ray/_private/worker.py, sigterm_handler).
    by_term = (result.error_type, result.error_message) == ("SystemExit", "15")
    return by_term or result.error_type == "KeyboardInterrupt"


def _with_its_script(
    evidence: Evidence, result: TaskOutput, view: JobView | None
) -> Failure | None:
    """The failure of an experiment that SIGTERM ended after its job script was killed, or None."""
    if view is None or evidence.exit_record is not None:
        return None
    if not _was_told_to_end(result) or not _was_killed(view):
        return None
    hint: HintName | None = "killed" if str(view.exit_code).endswith(":9") else None
    return failure(
        "lost",
        f"The job script was killed (exit code {view.exit_code}), and the experiment with it.",
        hint=hint,
    )


def _never_began(evidence: Evidence) -> bool:
    return evidence.shares_job and not evidence.claimed and evidence.exit_record is None


def _why_unbegun(evidence: Evidence, view: JobView | None, logs: LogTails) -> Failure:
    """Why a run had not begun when its job ended; `logs` are those of the job."""
    if view is not None and view.kind in ("cancelled", "node_fail", "preempted"):
        return _from_state(view, None)
    exit_code = view.exit_code if view is not None else None
    state = view.state if view is not None else ""
    found = diagnose_exit(evidence.job_record, exit_code, state, logs)
    if found.kind in ("environment", "ray_start"):
        return found
    return failure("not_started", f"Job {evidence.job_id} ended before its turn. {found.message}")


def _cancelled(evidence: Evidence, *, begun: bool) -> Failure:
    why = evidence.cancel_why
    if not begun:
        told = f"It was not started: {why}." if why else "It was cancelled before it began."
    else:
        told = f"It was cancelled with TMGG: {why}." if why else "It was cancelled with TMGG."
    return failure("cancelled", told, hint="reason_given" if why else None)


def _from_state(view: JobView, result: TaskOutput | None) -> Failure:
    assert view.kind is not None
    words = f"The backend says {view.state}" if view.state else "The backend ended it"
    if view.reason:
        words += f" ({view.reason})"
    if result is not None and result.status == "stopped":
        words += f"; its state was saved before ({result.error_message})"
        return failure(view.kind, f"{words}.", hint="stopped")
    if result is not None and result.error_message:
        words += f"; the experiment's last words: {result.error_type}: {result.error_message}"
    return failure(view.kind, words + ".")


def _of_current_restart(evidence: Evidence, view: JobView | None) -> Evidence:
    """The evidence without files of earlier restarts, which say nothing about the current one.

    An earlier restart's files count if it ended by itself and none has begun since: the job script
    does nothing if it is started again then.
    """
    if has_trusted_end(evidence):
        return evidence
    current = _restarts(evidence, view)
    record, result = evidence.exit_record, evidence.result
    return replace(
        evidence,
        exit_record=record if record is not None and record.restart == current else None,
        result=result if result is not None and result.restart == current else None,
    )


def _restarts(evidence: Evidence, view: JobView | None) -> int:
    """The number of the job's newest known restart, or of the restart that ended by itself."""
    if evidence.exit_record is not None and has_trusted_end(evidence):
        return evidence.exit_record.restart
    said = 0 if view is None else view.restarts or 0
    left = [item.restart for item in (evidence.exit_record, evidence.result) if item is not None]
    return max(evidence.last_start, evidence.backend_restarts, said, *left)


def _base_state(evidence: Evidence, view: JobView | None) -> RunState:
    return RunState(
        run_id=evidence.run_id,
        status="pending",
        final=False,
        job_id=evidence.job_id,
        attempt=evidence.first_attempt + _restarts(evidence, view),
        backend_state=view.state if view else "",
        reason=view.reason if view else "",
        exit_code=view.exit_code if view else _own_exit_code(evidence),
        nodes=view.nodes if view else _own_nodes(evidence),
        estimated_start=view.estimated_start if view else None,
    )


def _own_exit_code(evidence: Evidence) -> str | None:
    record = evidence.exit_record
    return None if record is None else f"{record.exit_code}:0"


def _own_nodes(evidence: Evidence) -> str:
    if evidence.result is not None:
        return ",".join(nodes_of(evidence.result))
    return evidence.exit_record.host if evidence.exit_record is not None else ""


def _failed(state: RunState, why: Failure) -> RunState:
    return replace(state, status="failed", final=True, failure=why)
