"""Finds the records of one backend's runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tmgg.errors import UnknownRunError
from tmgg.experiment_utils.files.looking import expect_folder
from tmgg.experiment_utils.run_folder.batch_index import find_member
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import find_run, load_found_run
from tmgg.experiment_utils.run_folder.removed_runs import refuse_removed


@dataclass(frozen=True, slots=True, eq=False)
class RunFinder:
    """Finds runs by id, and remembers where they are."""

    backend: str
    output_dir: Path
    _found: dict[str, RunPaths] = field(default_factory=dict, init=False)

    def knows(self, paths: RunPaths) -> None:
        """Remember a run, so that it is not looked for. Its record must name this backend."""
        self._found[paths.run_id] = paths

    def forgets(self, run_id: str) -> None:
        """Undo `knows`, if the run was not recorded or if that is not certain."""
        self._found.pop(run_id, None)

    def known(self, run_id: str) -> RunPaths | None:
        """The paths of a run that is remembered; None for another run."""
        return self._found.get(run_id)

    def place_of(self, run_id: str) -> RunPaths:
        """Where a run is, or where a new run with this id would be. Reads no files."""
        return self._found.get(run_id) or RunPaths(self.output_dir, run_id)

    def paths(self, run_id: str) -> RunPaths:
        """Where a run is. Raises RecordError; UnknownRunError, also for another backend's run."""
        if run_id not in self._found:
            paths = find_run(run_id, [self.output_dir])
            record = load_found_run(paths)
            if record.backend != self.backend:
                raise UnknownRunError(
                    f"run {run_id!r} belongs to the {record.backend!r} backend, not to "
                    f"{self.backend!r}; tmgg-jobs finds the right one"
                )
            self._found[run_id] = paths
        return self._found[run_id]

    def submission(self, run_id: str) -> SubmissionPaths:
        """The newest submission of a run. Raises as `paths`; OSError for unreadable files."""
        paths = self.paths(run_id)
        numbers = paths.submission_numbers()
        if not numbers and find_member(paths.submission(1)) is None:
            refuse_removed(paths)
            expect_folder(paths.folder)
        return paths.submission(max(numbers, default=1))

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        """Folders where an exit record appears when one of the runs ends."""
        return {self.paths(run_id).ended_folder for run_id in run_ids}
