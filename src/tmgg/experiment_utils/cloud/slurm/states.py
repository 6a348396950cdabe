"""Every Slurm job state in one table.

Sources: squeue(1) "JOB STATE CODES" and sacct(1), https://slurm.schedmd.com/squeue.html#SECTION_JOB-STATE-CODES,
of Slurm 22.05 to 25.05.
"""

import logging
import re
from dataclasses import dataclass

from tmgg.experiment_utils.cloud.judging.verdict import JobPhase
from tmgg.experiment_utils.run_folder.failures import FailureKind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StateMeaning:
    phase: JobPhase
    kind: FailureKind | None = None
    """Why a job in this state failed; None if it has not, or if the state alone does not say it."""


_PENDING = StateMeaning("pending")
_RUNNING = StateMeaning("running")

STATES: dict[str, StateMeaning] = {
    "BOOT_FAIL": StateMeaning("ended", "node_fail"),
    "CANCELLED": StateMeaning("ended", "cancelled"),
    "COMPLETED": StateMeaning("ended"),
    "COMPLETING": _RUNNING,  # also the state of a job that goes back into the queue
    "CONFIGURING": _PENDING,
    "DEADLINE": StateMeaning("ended", "timeout"),
    "EXPEDITING": _PENDING,
    "FAILED": StateMeaning("ended"),
    "LAUNCH_FAILED": StateMeaning("ended", "node_fail"),
    "NODE_FAIL": StateMeaning("ended", "node_fail"),
    "OUT_OF_MEMORY": StateMeaning("ended", "out_of_memory"),
    "PENDING": _PENDING,
    "POWER_UP_NODE": _PENDING,
    "PREEMPTED": StateMeaning("ended", "preempted"),
    "RECONFIG_FAIL": StateMeaning("ended", "node_fail"),
    "REQUEUED": _PENDING,
    "REQUEUE_FED": _PENDING,
    "REQUEUE_HOLD": _PENDING,
    "RESIZING": _RUNNING,
    "RESV_DEL_HOLD": _PENDING,
    "REVOKED": _PENDING,  # runs on another cluster of the federation
    "RUNNING": _RUNNING,
    "SIGNALING": _RUNNING,
    "SPECIAL_EXIT": _PENDING,
    "STAGE_OUT": _RUNNING,
    "STOPPED": _RUNNING,
    "SUSPENDED": _RUNNING,
    "TIMEOUT": StateMeaning("ended", "timeout"),
    "UPDATE_DB": _RUNNING,
}

_told: set[str] = set()


def parse_state(text: str) -> str:
    """The name of the state in `CANCELLED by 1000`, `CANCELLED+`, `REQUEUE_H+` and the like."""
    found = re.match(r"(?P<name>[A-Za-z_0-9]*)(?P<cut>\+?)", text.strip())
    name = found["name"].upper() if found else ""
    if name in STATES or not (name and found and found["cut"]):
        return name
    longer = [state for state in STATES if state.startswith(name)]
    return longer[0] if len(longer) == 1 else name


def meaning_of(state: str) -> StateMeaning:
    """What a state means. A state that TMGG does not know counts as running, with one warning.

    An unknown state must never end a run; the run's own records still can end it.
    """
    found = STATES.get(parse_state(state))
    if found is not None:
        return found
    if state not in _told:
        _told.add(state)
        log.warning("Slurm reports the job state %r, which TMGG does not know; TMGG waits", state)
    return _RUNNING
