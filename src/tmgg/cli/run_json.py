"""One run as `--json` prints it, the same in every command. The keys are in docs/jobs.md."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tmgg.cli.printing import say
from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.polling import Found
from tmgg.experiment_utils.cloud.reattach import KnownRun, Reattached
from tmgg.experiment_utils.cloud.runs import RunState

DAMAGED = "damaged"
_STATE_KEYS = (
    "final", "attempt", "job_id", "backend_state", "reason", "exit_code", "nodes",
    "estimated_start", "answered", "note",
)  # fmt: skip


def to_json(run: KnownRun, found: Found) -> dict[str, Any]:
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


def status_of(found: Found) -> str:
    """The run's status, or `damaged`."""
    return DAMAGED if isinstance(found, RunError) else found.status


def created_at(run: KnownRun) -> float:
    """For sorting: damaged runs come last."""
    return float("inf") if isinstance(run.record, RunError) else run.record.created_at


def unanswered(states: Sequence[Found]) -> bool:
    """Whether some state is only the last known; says so on standard error."""
    silent = [state for state in states if isinstance(state, RunState) and not state.answered]
    if silent:
        say(
            f"the backend did not answer for {len(silent)} of {len(states)} runs; "
            "what is shown of them is the last that is known"
        )
    return bool(silent)


def poll_or_raise(reattached: Reattached) -> list[RunState]:
    """The states of runs that were asked for by name; raises RunError for a damaged one."""
    states = reattached.poll_all()
    for state in states:
        if isinstance(state, RunError):
            raise state
    return [state for state in states if isinstance(state, RunState)]
