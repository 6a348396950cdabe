"""The earlier runs of a folder for one launch: the identity and the state of each.

Each record is read once, and each state is asked for once. Writes nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.errors import RunError, TmggError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.sweep.earlier_task import may_be_seen_later, task_on_record
from tmgg.experiment_utils.identity.run_identity import Identity, has_same_code, load_identity
from tmgg.experiment_utils.run_folder.attempts import newest_submission
from tmgg.experiment_utils.run_folder.evidence import read_result
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.run_folder.task import TaskInput

StatesOf = Callable[[Sequence[str]], Sequence[Found]]
"""Returns the states of runs, in the order of their ids."""


class EarlierRuns:
    """The runs of one output folder, by their ids."""

    def __init__(
        self, output_dir: Path, states_of: StatesOf, *, launched: Collection[str] = ()
    ) -> None:
        self.output_dir = output_dir
        self.launched = launched
        """Runs that this launch itself has already made for other jobs of its sweep."""
        self._states_of = states_of
        self._states: dict[str, Found] = {}
        self._tasks: dict[str, TaskInput | None] = {}
        self._as_run: dict[str, Identity | None] = {}

    def paths(self, run_id: str) -> RunPaths:
        return RunPaths(self.output_dir, run_id)

    def task(self, run_id: str) -> TaskInput | None:
        """See `task_on_record`."""
        if run_id not in self._tasks:
            self._tasks[run_id] = task_on_record(self.output_dir, run_id)
        return self._tasks[run_id]

    def identity(self, run_id: str) -> Identity | None:
        """The identity on record; None if there is no task, or if an older TMGG wrote it."""
        task = self.task(run_id)
        return None if task is None else load_identity(task.identity, what=run_id)

    def as_run(self, run_id: str) -> Identity | None:
        """As `identity`, but with the code that the job had, as files may change in between."""
        if run_id not in self._as_run:
            known = self.identity(run_id)
            if known is not None and (edited := _edited(self.paths(run_id))):
                known = replace(known, files=known.files | edited)
            self._as_run[run_id] = known
        return self._as_run[run_id]

    def has_code_of(self, today: Identity, run_id: str) -> bool:
        """Whether today's version of the code made the run, as far as both versions are known."""
        known = self.as_run(run_id)
        return today.source is None if known is None else has_same_code(today, known)

    def states(self, run_ids: Iterable[str]) -> Mapping[str, Found]:
        """The states of these runs; one question covers all runs not asked about before."""
        asked = list(dict.fromkeys(run_ids))
        new = [run_id for run_id in asked if run_id not in self._states]
        if new:
            self._states |= zip(new, self._states_of(new), strict=True)
        return {run_id: self._states[run_id] for run_id in asked}


def has_failed(state: Found | None) -> bool:
    """Whether the run failed, as far as is known; False if the state is unknown."""
    if state is None or isinstance(state, RunError):
        return False
    return state.final and state.status == "failed"


def _edited(paths: RunPaths) -> dict[str, str]:
    """The run's `TaskOutput.changed_code`; empty if it has no result."""
    try:
        output, _problem = read_result(SubmissionFiles(newest_submission(paths)))
    except (TmggError, OSError) as error:
        if may_be_seen_later(error, paths.folder):
            raise
        return {}
    return {} if output is None else output.changed_code
