"""One question per backend for any number of runs, also if they belong to several runners."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tmgg.errors import BackendUnavailableError, RunError, UnreadableError
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """A run whose files do not say how it ended."""

    submission: SubmissionPaths
    job_id: str | None
    """None while the run is being submitted."""


Found = RunState | RunError
"""The state of a run, or what is wrong with its record."""
Begun = Question | Found


class Inquirer(Protocol):
    """The part of a runner that polling needs: a poll in two halves, and the question between."""

    @property
    def source(self) -> str:
        """What it asks. Runners with the same source share one question."""
        ...

    def begin_poll(self, run_ids: Sequence[str]) -> list[Begun]:
        """What the records alone tell of each run: its end, an error, or the job to ask about."""
        ...

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        """The backend's answer about each job, from one question; None if it did not answer."""
        ...

    def end_poll(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        """The state of a run whose job the backend was asked about."""
        ...


def poll_together(
    groups: Sequence[tuple[Inquirer, Sequence[str]]], *, strict: bool = False
) -> list[list[Found]]:
    """Poll runs of several runners, with one question for all runners of a source.

    Returns one list for each group, in order. A run that cannot be read has its RunError there and
    does not affect the other runs. If a backend's commands are not on this machine, the states come
    from the files alone; `strict` raises BackendUnavailableError instead.
    """
    begun = [(runner, runner.begin_poll(run_ids)) for runner, run_ids in groups]
    asked: dict[str, tuple[Inquirer, list[str]]] = {}
    for runner, items in begun:
        if job_ids := _jobs(items):
            asked.setdefault(runner.source, (runner, []))[1].extend(job_ids)
    views = {
        source: ask(runner.view_jobs, job_ids, source=source, strict=strict)
        for source, (runner, job_ids) in asked.items()
    }
    return [
        [
            runner.end_poll(item, views.get(runner.source, {}))
            if isinstance(item, Question)
            else item
            for item in items
        ]
        for runner, items in begun
    ]


def _jobs(items: Sequence[Begun]) -> list[str]:
    questions = [item for item in items if isinstance(item, Question)]
    return [each.job_id for each in questions if each.job_id is not None]


def ask(
    view_jobs: Callable[[Sequence[str]], Mapping[str, JobView | None]],
    job_ids: Sequence[str],
    *,
    source: str,
    strict: bool = False,
) -> Mapping[str, JobView | None]:
    """Ask about the jobs. If the backend raises anything, the answer for each is None.

    `strict` raises BackendUnavailableError if the backend's commands are not on this machine.
    """
    try:
        answers = view_jobs(job_ids)
        return {job_id: answers.get(job_id) for job_id in job_ids}
    except BackendUnavailableError as error:
        if strict:
            raise
        log.warning("%s", error)
    except Exception as error:  # a backend may be another package's; the error says nothing of jobs
        _warn_once(source, f"{type(error).__name__}: {error}")
    return dict.fromkeys(job_ids)


@functools.lru_cache(maxsize=100)
def _warn_once(source: str, words: str) -> None:
    """Log once: a backend that fails is asked again every second."""
    log.warning(
        "the backend %s did not say how its jobs stand: %s. What its runs' files say still counts.",
        source, words,
    )  # fmt: skip


def as_run_error(run_id: str, error: RunError | OSError) -> RunError:
    """`error` as a RunError about this run's record."""
    if isinstance(error, RunError):
        return error
    return UnreadableError(f"the record of run {run_id!r} cannot be read: {error}")


def state_or_raise(found: Found) -> RunState:
    """The state; raises the RunError if `found` is one."""
    if isinstance(found, RunError):
        raise found
    return found
