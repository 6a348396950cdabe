"""Back to runs that some other process submitted, whatever their backends, folders and settings.

The record says what a run needs: its backend, where its files are, and the settings that matter
for asking about it. Runs that share these share a runner, and all runs of a backend share one
question, so a thousand runs cost no more calls than one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import ConfigError, RecordError, RunError, UnknownRunError
from tmgg.experiment_utils.atomic_file import JsonDict
from tmgg.experiment_utils.cloud.factory import make_runner
from tmgg.experiment_utils.cloud.polling import Found, as_run_error, poll_together
from tmgg.experiment_utils.cloud.recorded import RecordedRunner
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState, SpawnedTask
from tmgg.experiment_utils.paths import RunPaths
from tmgg.experiment_utils.registry import RunRecord, load_run, runs_in

# The rest of the settings concerns submitting; a retry takes it from the record itself.
_POLL_SETTINGS = ("lost_grace_s", "poll_interval_s", "address", "token_path", "environment")


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run found on disk."""

    paths: RunPaths
    record: RunRecord | RunError
    """The error says what is wrong with the record."""

    @property
    def run_id(self) -> str:
        return self.paths.run_id


def read_known_run(paths: RunPaths) -> KnownRun:
    """Never fails: a damaged record is part of the answer."""
    try:
        return KnownRun(paths, load_run(paths))
    except (RunError, OSError) as error:
        return KnownRun(paths, as_run_error(paths.run_id, error))


def known_runs(folders: Iterable[Path], *, prefix: str = "") -> list[KnownRun]:
    """All runs in the folders whose id begins with `prefix`, the damaged ones included."""
    return [read_known_run(paths) for folder in folders for paths in runs_in(folder, prefix=prefix)]


class Reattached:
    """Any number of runs as one thing to poll, wait for (`waiting.wait`), cancel and collect."""

    def __init__(self, runs: Sequence[KnownRun]) -> None:
        self.runs = list(runs)
        self._runners: dict[tuple[str, Path, str], RecordedRunner] = {}
        self._by_id = {run.run_id: run for run in runs}

    def poll_all(self, *, strict: bool = False) -> list[Found]:
        """The state of each run, or what is wrong with it, in order; see `poll_together`."""
        return self._poll(self.runs, strict=strict)

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        """As in CloudRunner. Run ids are those of `runs`."""
        found = self._poll([self._run(run_id) for run_id in run_ids], strict=True)
        return [_checked(state) for state in found]

    def collect(self, run_id: str) -> ExperimentResult:
        """As in CloudRunner."""
        return self._runner(self._run(run_id)).collect(run_id)

    def cancel(self) -> list[bool]:
        """End all runs, in order; False for one that had ended.

        Raises BackendError when it cannot, RunError for a run whose record cannot be used.
        """
        cancelled: dict[int, bool] = {}
        for runner, members in self._groups().items():
            run_ids = [self.runs[index].run_id for index in members]
            cancelled.update(zip(members, runner.cancel_all(run_ids), strict=True))
        return [cancelled[index] for index in range(len(self.runs))]

    def retry(self, run_id: str) -> SpawnedTask:
        """Submit a failed run again; see `RecordedRunner.retry`."""
        return self._runner(self._run(run_id)).retry(run_id)

    def go_on(self, state: RunState) -> bool:
        """As in CloudRunner."""
        return self._runner(self._run(state.run_id)).go_on(state)

    @property
    def poll_interval_s(self) -> float:
        """The shortest of the runs' own."""
        return min((runner.poll_interval_s for runner in self._groups()), default=1.0)

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        """As in CloudRunner."""
        return {self._run(run_id).paths.ended_folder for run_id in run_ids}

    def _run(self, run_id: str) -> KnownRun:
        if run_id not in self._by_id:
            raise UnknownRunError(f"run {run_id!r} is not one of those that were asked for")
        return self._by_id[run_id]

    def _poll(self, runs: Sequence[KnownRun], *, strict: bool) -> list[Found]:
        found: dict[int, Found] = {}
        groups: dict[RecordedRunner, list[int]] = {}
        for index, run in enumerate(runs):
            try:
                groups.setdefault(self._runner(run), []).append(index)
            except RunError as error:
                found[index] = error
        question = [
            (runner, [runs[index].run_id for index in members])
            for runner, members in groups.items()
        ]
        answers = poll_together(question, strict=strict)
        for members, states in zip(groups.values(), answers, strict=True):
            found.update(zip(members, states, strict=True))
        return [found[index] for index in range(len(runs))]

    def _groups(self) -> dict[RecordedRunner, list[int]]:
        """Indices of the runs by their runner; raises RunError for a damaged record."""
        groups: dict[RecordedRunner, list[int]] = {}
        for index, run in enumerate(self.runs):
            groups.setdefault(self._runner(run), []).append(index)
        return groups

    def _runner(self, run: KnownRun) -> RecordedRunner:
        if isinstance(run.record, RunError):
            raise run.record
        settings = {
            name: value for name, value in run.record.settings.items() if name in _POLL_SETTINGS
        }
        key = (run.record.backend, run.paths.output_dir, repr(settings))
        if key not in self._runners:
            self._runners[key] = _make(run, run.record.backend, settings)
        self._runners[key].knows(run.paths)
        return self._runners[key]


def _make(run: KnownRun, backend: str, settings: JsonDict) -> RecordedRunner:
    try:
        runner = make_runner(backend, settings)
    except ConfigError as error:
        raise RecordError(f"the record of run {run.run_id!r} cannot be used: {error}") from error
    if not isinstance(runner, RecordedRunner):
        raise RecordError(f"the backend {backend!r} of run {run.run_id!r} keeps no records")
    # As absolute as it was for the submitter, wherever this process runs.
    runner.output_dir = run.paths.output_dir
    return runner


def _checked(found: Found) -> RunState:
    if isinstance(found, RunError):
        raise found
    return found
