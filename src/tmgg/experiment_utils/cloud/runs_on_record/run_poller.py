"""Finds the states of one backend's runs: a poll in two halves, and the question between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.backend import Backend
from tmgg.experiment_utils.cloud.judging.job_lookup import JobOrRefusal
from tmgg.experiment_utils.cloud.judging.judge import Judge
from tmgg.experiment_utils.cloud.judging.polling import (
    Begun,
    Found,
    Question,
    poll_together,
    state_or_raise,
)
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.run_finder import RunFinder
from tmgg.experiment_utils.run_folder.paths import BatchPaths


@dataclass(frozen=True, slots=True, eq=False)
class RunPoller:
    """See `polling.Inquirer`."""

    backend: Backend
    finder: RunFinder
    judge: Judge

    @property
    def source(self) -> str:
        return self.backend.traits.source or self.backend.traits.name

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        """See `RunControl`."""
        return [state_or_raise(found) for found in self.poll_each(run_ids)]

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        """See `RunControl`."""
        return poll_together([(self, run_ids)], strict=True)[0]

    def begin_poll(self, run_ids: Sequence[str]) -> list[Begun]:
        adopted: dict[BatchPaths, JobOrRefusal] = {}
        return [self._begin(run_id, adopted) for run_id in run_ids]

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        return self.backend.view_jobs(job_ids)

    def end_poll(self, question: Question, views: Mapping[str, JobView | None]) -> Found:
        submission, job_id = question.submission, question.job_id
        view = None if job_id is None else views[job_id]
        if job_id is not None and view is not None:
            try:
                views = {job_id: self.backend.refine(submission, job_id, view)}
            except (RunError, OSError) as error:
                return self.judge.unread(submission, error)
        return self.judge.end(question, views)

    def _begin(self, run_id: str, adopted: dict[BatchPaths, JobOrRefusal]) -> Begun:
        try:
            submission = self.finder.submission(run_id)
        except (RunError, OSError) as error:
            if self.finder.known(run_id) is None and isinstance(error, RunError):
                return error
            return self.judge.unread(self.finder.place_of(run_id).submission(1), error)
        return self.judge.begin(submission, adopted)
