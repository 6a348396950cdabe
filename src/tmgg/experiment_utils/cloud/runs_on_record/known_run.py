"""A run found on disk. A small module, because listing runs that have ended needs nothing else."""

from dataclasses import dataclass

from tmgg.errors import RunError
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord, load_found_run


@dataclass(frozen=True, slots=True)
class KnownRun:
    """The place and the record of a run."""

    paths: RunPaths
    record: RunRecord | RunError
    """The record; an error if the record cannot be used."""

    @property
    def run_id(self) -> str:
        return self.paths.run_id


def read_known_run(paths: RunPaths) -> KnownRun:
    """Read a run's record. If it is damaged, the result holds the error; nothing is raised."""
    try:
        return KnownRun(paths, load_found_run(paths))
    except (RunError, OSError) as error:
        from tmgg.experiment_utils.cloud.judging.polling import (
            as_run_error,  # imports much, and is needed only here
        )

        return KnownRun(paths, as_run_error(paths.run_id, error))
