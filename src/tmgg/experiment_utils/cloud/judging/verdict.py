"""The one place where it is decided how a run stands. Pure: evidence in, a `RunState` out.

Order of trust: the run's result, written by this very restart; the job's own exit record; the
backend's word. A backend that did not answer proves nothing. A job that ended without a result
failed, whatever the backend says (COMPLETED, exit 0: Ray's symmetric-run ends so when Ray never
started). Waiting for something that should be there is bounded by `grace_s`.
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

# What ends a run that has done nothing wrong, and that nobody meant to end.
_ENDS_OF_A_LINE = (0, CANNOT_WRITE)
_CODES_OF_A_LINE = tuple(f"{code}:0" for code in _ENDS_OF_A_LINE)
_INTERRUPTIONS = ("timeout", "preempted", "node_fail")
JobPhase = Literal["pending", "running", "ended", "unknown", "replaced"]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobView:
    """What the backend said about a job."""

    phase: JobPhase
    """`unknown`: the backend answered and does not know the job. `replaced`: it gave the job's
    number to another, so it has lost this one."""
    state: str = ""
    """In the backend's own words."""
    reason: str = ""
    kind: FailureKind | None = None
    """Why it failed, where the state alone tells."""
    exit_code: str | None = None
    """`code:signal`."""
    restarts: int | None = None
    """How often the backend restarted the job; None when it does not say."""
    nodes: str = ""
    estimated_start: str | None = None
    never_began: bool = False
    """No source has this unknown job, though each has the others that were submitted with it."""
    settled: bool = True
    """False when the backend is known to correct such an answer later."""
    identity: JobIdentity | None = None
    """Whose job it is, in the backend's words; None where a job's name is never given twice."""
    is_from_accounts: bool = False
    """Only the accounts tell, and they may have a number several times."""
    otherwise: "JobView | None" = None
    """What is to be believed if the accounts speak of another job."""


REPLACED = JobView(phase="replaced")
REPLACED_NOTE = (
    "the backend has given this job's number to another job, so it has lost this one; whether it "
    "still runs cannot be told. tmgg-jobs cancel gives it up"
)


def own_view(view: JobView | None, claim: Claim | None) -> JobView | None:
    """`view` as far as it is about the job of the claim; None says nothing, as no answer does."""
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
    """How the run stands; `view` is None when the backend did not answer.

    When the state is not final, a caller that wants the bound to hold notes when `missing` first
    was true (see `is_missing`).
    """
    current = _of_current_restart(_weighed(evidence, view), view)
    # Of a run that ended within its job, which goes on with others, the backend knows nothing.
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
    # A job of its own would be asked about first: it may have begun before it was forbidden.
    return evidence.shares_job and evidence.forbidden and evidence.cancel_requested


def is_missing(evidence: Evidence, view: JobView | None) -> bool:
    """Whether something that should be there is not: the job itself, or its result."""
    if view is None or view.phase in ("pending", "running", "replaced"):
        return False
    return not has_trusted_end(_of_current_restart(_weighed(evidence, view), view))


def _weighed(evidence: Evidence, view: JobView | None) -> Evidence:
    """Without a line in the log that says `completed` where the end says otherwise.

    A result file is published by the last thing that an experiment's process does; the line stands
    in for it only where the file could not be written (exit code 74), or was lost afterwards.
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
        # Slurm has 0:0 for a job that it cancelled or that ran out of time, too.
        ended_well = view.phase == "ended" and view.kind is None
        agrees = ended_well and view.exit_code in _CODES_OF_A_LINE
    return evidence if agrees else replace(evidence, result=None, result_is_line=False)


def _over(evidence: Evidence, view: JobView | None, *, grace_s: float) -> bool:
    if has_trusted_end(evidence):
        return True
    waited = evidence.missing_since_s is not None and evidence.missing_since_s >= grace_s
    if view is None or _ended_within_its_job(evidence):
        # The own last words will do if the backend stays silent, or does not know of this run.
        record = evidence.exit_record
        if record is not None and not record.signal and record.age_s >= grace_s:
            return True
    if view is None:
        return False
    if view.phase == "replaced":
        # Nothing starts it again, so its last words are an end; else only the user gives it up.
        record = evidence.exit_record
        told = record is not None and (record.entrypoint_exit_code is None or waited)
        return told or (record is not None and record.age_s >= grace_s) or evidence.cancel_requested
    if view.phase == "unknown":
        if view.never_began and not evidence.claimed:
            return True
        return waited or (evidence.exit_record is not None and _nothing_to_wait_for(evidence, view))
    return view.phase == "ended" and (waited or _nothing_to_wait_for(evidence, view))


def has_trusted_end(evidence: Evidence) -> bool:
    """It ended by itself and what it leaves is there: the backend need not be asked."""
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
    """The job is over, and no file of it can still be on its way."""
    if not view.settled or evidence.result_problem is not None:
        return False  # a cut line in the log may be one that is still arriving
    if evidence.result is not None:
        return True
    record = evidence.exit_record
    if record is not None:
        return record.entrypoint_exit_code is None
    # Ended from outside, before it could write: nothing is to be expected.
    if view.kind is not None or _was_killed(view):
        return True
    # The end of a job says of each of its runs only that it must have left something.
    return not evidence.claimed and (not evidence.shares_job or evidence.job_record is not None)


def _was_killed(view: JobView) -> bool:
    """The job script died of a signal, so it has written all that it ever will."""
    code, _, number = (view.exit_code or "").partition(":")
    return number.isdigit() and int(number) > 0 and code.isdigit()


def _final(state: RunState, evidence: Evidence, view: JobView | None, logs: LogTails) -> RunState:
    result = evidence.result
    if result is not None and result.status == "completed":
        attempt = evidence.first_attempt + result.restart
        return replace(state, status="completed", final=True, attempt=attempt)
    why = _why(evidence, result, view, logs)
    record = evidence.exit_record
    # What an earlier start saved says nothing about this one.
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
    # An unknown job's kind is only a guess at why it never began.
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
    """The failure of a job whose script was sent a signal that nothing else explains."""
    if not record.signal or (view is not None and view.kind is not None):
        return None
    told = diagnose_exit(record, None, "", logs)
    # Slurm sends TERM itself, and its words in the log tell why; a job asked by USR2 goes on.
    if record.signal == "USR2" or (record.signal == "TERM" and told.kind != "user_error"):
        return None
    return failure(
        "cancelled",
        f"The job script was sent SIG{record.signal} and ended, and the experiment with it "
        f"(exit code {record.exit_code}).",
        hint="signalled",
    )


def _was_told_to_end(result: TaskOutput) -> bool:
    """Whether the experiment's last words are only that a signal ended it."""
    # ray.init has SIGTERM end the process so (ray/_private/worker.py, sigterm_handler).
    by_term = (result.error_type, result.error_message) == ("SystemExit", "15")
    return by_term or result.error_type == "KeyboardInterrupt"


def _with_its_script(
    evidence: Evidence, result: TaskOutput, view: JobView | None
) -> Failure | None:
    """The failure of an experiment that SIGTERM ended because its job script had been killed."""
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
    """Why a run's turn had not come when its job ended; the logs are the job's."""
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
    """Without what an earlier restart of the job left: it says nothing about this one.

    Unless that one ended by itself and none has begun since: then the job script does nothing when
    it is started again.
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
    """The newest start of the job that anything shows, or the one that ended by itself."""
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
