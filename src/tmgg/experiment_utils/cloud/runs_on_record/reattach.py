"""Access to runs that other processes submitted, with any backends, folders and settings.

A run's record holds its backend and the settings that are needed to ask about it. Runs with the
same backend, folder and settings share a runner. All runs of a backend share one question, so a
thousand runs need no more calls than one. Runs in two folders may have the same id, so a run is
identified by its paths.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.errors import RunError, UnknownRunError
from tmgg.experiment_utils.cloud.judging.polling import Found, poll_together, state_or_raise
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState, SpawnedTask
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun, read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.runners_on_record import RunnersOnRecord
from tmgg.experiment_utils.run_folder.attempts import AttemptRequest
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.run_folders import runs_in


def known_runs(folders: Iterable[Path], *, prefix: str = "") -> list[KnownRun]:
    """All runs in the folders whose id begins with `prefix`, also those with damaged records."""
    return [read_known_run(paths) for folder in folders for paths in runs_in(folder, prefix=prefix)]


def _unusable(run_ids: Iterable[str], found: Iterable[Found]) -> dict[str, RunError]:
    pairs = zip(run_ids, found, strict=True)
    return {run_id: state for run_id, state in pairs if isinstance(state, RunError)}


def _placed(found: Found, paths: RunPaths) -> Found:
    if isinstance(found, RunError):
        return found
    return replace(found, output_dir=paths.output_dir)


class Reattached:
    """A group of runs that can be polled, waited for (`waiting.wait`), cancelled and collected."""

    def __init__(self, runs: Sequence[KnownRun]) -> None:
        self.runs = list(runs)
        self._runners = RunnersOnRecord()
        self._by_paths = {run.paths: run for run in runs}

    def poll_all(self, *, strict: bool = False) -> list[Found]:
        """The state of each run, or its RunError, in order; see `poll_together`."""
        return self._poll(self.runs, strict=strict)

    def poll(self, runs: Sequence[RunPaths]) -> list[RunState]:
        """See `RunControl`. The runs must be among `self.runs`."""
        found = self._poll([self._run(paths) for paths in runs], strict=True)
        return [state_or_raise(state) for state in found]

    def collect(self, paths: RunPaths) -> ExperimentResult:
        """See `RunControl`."""
        return self._control(self._run(paths)).collect(paths.run_id)

    def cancel(self) -> list[bool]:
        """End all runs. In order, False for each run that had already ended.

        Raises BackendError if the runs cannot be ended, RunError for a run whose record cannot be
        used.
        """
        answers = self.cancel_each()
        for answer in answers:
            if isinstance(answer, RunError):
                raise answer
        return [answer is True for answer in answers]

    def cancel_each(self) -> list[bool | RunError]:
        """As `cancel`, but a removed run, or one with an unusable record, gets a RunError instead.

        The other runs are cancelled all the same.
        """
        answers: dict[int, bool | RunError] = {}
        for control, members in self._groups(answers).items():
            left = {self.runs[index].run_id: index for index in members}
            while left:
                try:
                    done = control.cancel_all(list(left))
                except RunError:
                    bad = _unusable(left, control.poll_each(list(left)))
                    if not bad:
                        raise
                    answers.update({left.pop(run_id): error for run_id, error in bad.items()})
                else:
                    answers.update(zip(left.values(), done, strict=True))
                    break
        return [answers[index] for index in range(len(self.runs))]

    def retry(self, paths: RunPaths, asked: AttemptRequest | None = None) -> SpawnedTask:
        """Submit a failed run again; see `RunControl`."""
        return self._control(self._run(paths)).retry(paths.run_id, asked=asked)

    def settle(self, paths: RunPaths) -> None:
        """See `RunCanceller`."""
        self._control(self._run(paths)).canceller.settle(paths.run_id)

    def go_on(self, state: RunState) -> bool:
        """See `RunControl`. `poll` must have returned the state."""
        assert state.output_dir is not None
        run = self._run(RunPaths(state.output_dir, state.run_id))
        return self._control(run).go_on(replace(state, output_dir=None))

    @property
    def poll_interval_s(self) -> float:
        """The shortest poll interval of the runs' backends."""
        return min((control.poll_interval_s for control in self._groups({})), default=1.0)

    def ended_folders(self, runs: Sequence[RunPaths]) -> set[Path]:
        """See `RunControl`."""
        return {paths.ended_folder for paths in runs}

    def _run(self, paths: RunPaths) -> KnownRun:
        if paths not in self._by_paths:
            raise UnknownRunError(f"run {paths.folder} is not one of those that were asked for")
        return self._by_paths[paths]

    def _poll(self, runs: Sequence[KnownRun], *, strict: bool) -> list[Found]:
        found: dict[int, Found] = {}
        groups: dict[RecordedRuns, list[int]] = {}
        for index, run in enumerate(runs):
            try:
                groups.setdefault(self._control(run), []).append(index)
            except RunError as error:
                found[index] = error
        question = [
            (control.poller, [runs[index].run_id for index in members])
            for control, members in groups.items()
        ]
        answers = poll_together(question, strict=strict)
        for members, states in zip(groups.values(), answers, strict=True):
            for index, state in zip(members, states, strict=True):
                found[index] = _placed(state, runs[index].paths)
        return [found[index] for index in range(len(runs))]

    def _groups(self, unusable: dict[int, bool | RunError]) -> dict[RecordedRuns, list[int]]:
        """Indices of the runs by their runner; adds errors of the other runs to `unusable`."""
        groups: dict[RecordedRuns, list[int]] = {}
        for index, run in enumerate(self.runs):
            try:
                groups.setdefault(self._control(run), []).append(index)
            except RunError as error:
                unusable[index] = error
        return groups

    def _control(self, run: KnownRun) -> RecordedRuns:
        return self._runners.of(run)
