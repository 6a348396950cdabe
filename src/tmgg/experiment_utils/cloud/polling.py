"""One question to a backend for all the runs that anybody asks about at once."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tmgg.errors import BackendUnavailableError, RecordError, RunError
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.verdict import JobView
from tmgg.experiment_utils.paths import SubmissionPaths

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.recorded import RecordedRunner

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """A run whose files do not say how it ended."""

    submission: SubmissionPaths
    job_id: str | None
    """None while the submission is under way."""


Found = RunState | RunError
Begun = Question | Found


def poll_together(
    groups: Sequence[tuple["RecordedRunner", Sequence[str]]], *, strict: bool = False
) -> list[list[Found]]:
    """Poll runs of several runners, with one question for all runners of a backend.

    The answer has the shape of the question. A run that cannot be read is its RunError there and
    hinders no other. A backend whose commands are not on this machine leaves the states the files
    tell; `strict` raises its BackendUnavailableError instead.
    """
    begun = [(runner, runner.begin_poll(run_ids)) for runner, run_ids in groups]
    views: dict[str, Mapping[str, JobView | None]] = {}
    for backend in {runner.backend for runner, _items in begun}:
        asker = next(runner for runner, _items in begun if runner.backend == backend)
        views[backend] = _ask(asker, _jobs(begun, backend), strict=strict)
    return [
        [
            runner.end_poll(item, views[runner.backend]) if isinstance(item, Question) else item
            for item in items
        ]
        for runner, items in begun
    ]


def _jobs(begun: Sequence[tuple["RecordedRunner", Sequence[Begun]]], backend: str) -> list[str]:
    return [
        item.job_id
        for runner, items in begun
        for item in items
        if runner.backend == backend and isinstance(item, Question) and item.job_id is not None
    ]


def _ask(
    runner: "RecordedRunner", job_ids: Sequence[str], *, strict: bool
) -> Mapping[str, JobView | None]:
    if not job_ids:
        return {}
    try:
        return runner.view_jobs(job_ids)
    except BackendUnavailableError as error:
        if strict:
            raise
        log.warning("%s", error)
        return dict.fromkeys(job_ids)


def as_run_error(run_id: str, error: RunError | OSError) -> RunError:
    """`error` as a word about this run's record."""
    if isinstance(error, RunError):
        return error
    return RecordError(f"the record of run {run_id!r} cannot be used: {error}")


def state_of(found: Found) -> RunState:
    """The state itself; raises the RunError that stands for it."""
    if isinstance(found, RunError):
        raise found
    return found
