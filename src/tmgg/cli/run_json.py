"""One run as `--json` prints it, the same in every command. The keys are in docs/jobs.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tmgg.console.printing import say
from tmgg.errors import ForeignFileError, RemovedRunError, RunError, UnreadableError
from tmgg.experiment_utils.cloud.runs import RunState, is_to_submit
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.judging.polling import Found

DAMAGED = "damaged"
FOREIGN = "foreign"
REMOVED = "removed"
TO_SUBMIT = "to submit"
UNKNOWN = "unknown"
REASONS_SHOWN = 3
_STATE_KEYS = (
    "final", "attempt", "job_id", "backend_state", "reason", "exit_code", "nodes",
    "estimated_start", "answered", "note",
)  # fmt: skip


def to_json(run: KnownRun, found: "Found") -> dict[str, Any]:
    """A run and how it stands; `problem` says what is wrong with a damaged record."""
    record = None if isinstance(run.record, RunError) else run.record
    state = None if isinstance(found, RunError) else found
    return {
        "run_id": run.run_id,
        "status": status_of(found),
        "backend": record.backend if record else None,
        "folder": str(run.paths.output_dir),
        "created_at": record.created_at if record else None,
        "user": record.user if record else None,
        **{name: getattr(state, name) if state else None for name in _STATE_KEYS},
        "failure": asdict(state.failure) if state and state.failure else None,
        "problem": str(found) if isinstance(found, RunError) else None,
    }


def shown_status_of(found: "Found") -> str:
    """Like `status_of`, but `to submit` for a pending run that has no job yet."""
    is_held = isinstance(found, RunState) and is_to_submit(found)
    return TO_SUBMIT if is_held else status_of(found)


def status_of(found: "Found") -> str:
    """The run's status, or `removed`, `foreign`, `damaged`, or `unknown` (not readable now)."""
    if isinstance(found, UnreadableError):
        return UNKNOWN
    if isinstance(found, RemovedRunError):
        return REMOVED
    if isinstance(found, ForeignFileError):
        return FOREIGN
    return DAMAGED if isinstance(found, RunError) else found.status


def created_at(run: KnownRun) -> float:
    """For sorting: damaged runs come last."""
    return float("inf") if isinstance(run.record, RunError) else run.record.created_at


def unanswered(states: "Sequence[Found]") -> bool:
    """Whether some states are only the last known ones. Says how many, and why, on stderr."""
    silent = [
        state
        for state in states
        if isinstance(state, UnreadableError)
        or (isinstance(state, RunState) and not state.answered)
    ]
    if silent:
        say(f"no answer about {len(silent)} of {len(states)} runs; their last known state is shown")
        for line in _reasons(silent) if len(states) > 1 else ():
            say(f"  {line}")
    return bool(silent)


def _reasons(silent: "Sequence[Found]") -> list[str]:
    """Why there is no answer, the most frequent reasons first."""
    notes = Counter(state.note for state in silent if isinstance(state, RunState) and state.note)
    lines = [f"{count}: {note}" for note, count in notes.most_common(REASONS_SHOWN)]
    more = len(notes) - len(lines)
    return [*lines, f"... and {more} other reasons (--json has all)"] if more else lines
