"""A run found on disk. A module of its own: listing runs that have ended needs nothing more."""

from dataclasses import dataclass

from tmgg.errors import RunError
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord, load_found_run


@dataclass(frozen=True, slots=True)
class KnownRun:
    """Where it is, and its record."""

    paths: RunPaths
    record: RunRecord | RunError
    """The error says what is wrong with the record."""

    @property
    def run_id(self) -> str:
        return self.paths.run_id


def read_known_run(paths: RunPaths) -> KnownRun:
    """Never fails: a damaged record is part of the answer."""
    try:
        return KnownRun(paths, load_found_run(paths))
    except (RunError, OSError) as error:
        from tmgg.experiment_utils.cloud.judging.polling import (
            as_run_error,  # more than the rest needs
        )

        return KnownRun(paths, as_run_error(paths.run_id, error))
