"""Decides which rank's end is the run's, and makes the run's result of it. Pure.

If one rank fails, the others fail, too, because it is gone; their ends may be reported first.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tmgg.experiment_utils.cloud.judging.diagnosis import LOST_RANK
from tmgg.experiment_utils.run_folder.task import TaskOutput, Worker

DIED = "RankDied"
_GONE_PEER = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|socket closed|end of file|NCCL error"
    r"|remote process exited|DistBackendError|DistNetworkError|connectFullMesh|Timed out waiting"
    r"|recvBytes|Watchdog caught collective"
    # With a Ray beside the ranks: actors and objects end with the rank that made them.
    r"|ActorDiedError|ActorUnavailableError|OwnerDiedError|ObjectLostError",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a rank did not begin."""

    error_type: str
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RankEnd:
    """How one rank ended."""

    rank: int
    node: str
    code: int | None
    """Exit code of its process, negative for a signal; None if its supervisor is gone."""
    output: TaskOutput | None = None
    """Its result; None if it died without one."""
    told_to_end: bool = False
    """The hub ordered its end, because another rank had failed."""
    absence: Absence | None = None
    """Why its supervisor never connected to the hub; None if it did."""

    @property
    def status(self) -> str:
        return "failed" if self.output is None else self.output.status

    @property
    def has_failed(self) -> bool:
        return self.status in ("failed", "timeout")


def decide(ends: Sequence[RankEnd]) -> RankEnd | None:
    """The end that counts for the run; `ends` are those reported so far, in this order.

    It is, in this order of preference: the first failure whose error does not mean that another
    rank is gone; a rank that stopped with its state saved, the lowest rank first; the first other
    failure; the end of rank 0. Failures of ranks that the hub has ended do not count. None if there
    is no such end.
    """
    failed = [end for end in ends if end.has_failed and not end.told_to_end]
    causes = [end for end in failed if not _blames_another(end)]
    stopped = sorted((end for end in ends if end.status == "stopped"), key=lambda end: end.rank)
    first = [end for end in ends if end.rank == 0 and not end.told_to_end]
    return next(iter([*causes, *stopped, *failed, *first]), None)


def as_output(
    end: RankEnd, *, run_id: str, world_size: int, workers: Sequence[Worker], log_end: str = ""
) -> TaskOutput:
    """The run's result. `log_end` are the last lines of the rank's log, if it has no result."""
    several = list(workers) if world_size > 1 else []
    if end.output is None:
        return TaskOutput(
            run_id=run_id,
            status="failed",
            error_type=_type_of(end),
            error_message=f"{name_of(end, world_size)} {_how(end)}",
            traceback=log_end or None,
            stage="rank",
            rank=end.rank,
            hostname=end.node,
            workers=several,
        )
    return replace(
        end.output,
        workers=list(end.output.workers) or several,
        rank=end.rank if end.has_failed and world_size > 1 else None,
    )


def name_of(end: RankEnd, world_size: int) -> str:
    return f"rank {end.rank} of {world_size} on {end.node}"


def _type_of(end: RankEnd) -> str:
    if end.absence is not None:
        return end.absence.error_type
    return LOST_RANK if end.code is None else DIED


def _how(end: RankEnd) -> str:
    code = end.code
    if end.absence is not None:
        return f"did not begin: {end.absence.words}"
    if code is None:
        return "is gone, and so is its supervisor"
    if code < 0:
        return f"was killed by {_name_of_signal(-code)}"
    return f"ended with exit code {code} before its task had returned"


def _name_of_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _blames_another(end: RankEnd) -> bool:
    if end.output is None:
        return False
    return bool(_GONE_PEER.search(f"{end.output.error_type}: {end.output.error_message}"))
