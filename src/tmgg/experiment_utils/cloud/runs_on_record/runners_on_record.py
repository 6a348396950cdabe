"""The runners of runs that some process submitted, made of what the runs' records say.

Runs that share a backend, a folder and the settings that matter for asking share a runner.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tmgg.errors import BackendNotLoadedError, ConfigError, RecordError, RunError, UnreadableError
from tmgg.experiment_utils.cloud.factory import BACKENDS, make_runner
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.looking import working_directory
from tmgg.experiment_utils.run_folder.registry import RunRecord

# Of our own backends; the rest of their settings concerns submitting, and a retry takes it from the
# record itself. What those of other packages need for asking, only they know.
_POLL_SETTINGS = (
    "lost_grace_s", "poll_interval_s", "address", "token_path", "environment", "clusters",
)  # fmt: skip


class RunnersOnRecord:
    """Remembers those that it made."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Path, str], RecordedRuns] = {}

    def of(self, run: KnownRun) -> RecordedRuns:
        """Raises RunError for a run whose record cannot be used."""
        if isinstance(run.record, RunError):
            raise run.record
        settings = _settings_for_asking(run.record)
        key = (run.record.backend, run.paths.output_dir, repr(settings))
        if key not in self._made:
            self._made[key] = _make(run, run.record.backend, settings)
        self._made[key].finder.knows(run.paths)
        return self._made[key]


def _settings_for_asking(record: RunRecord) -> JsonDict:
    if record.backend not in BACKENDS:
        return dict(record.settings)
    return {name: value for name, value in record.settings.items() if name in _POLL_SETTINGS}


@contextlib.contextmanager
def _some_directory(folder: Path) -> Iterator[None]:
    """Make `folder` the working directory meanwhile, where this process's own was removed.

    Every runner resolves paths against it; one that is made of a record needs none of them.
    """
    if working_directory() is not None:
        yield
        return
    gone = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(gone)
        os.close(gone)


def _make(run: KnownRun, backend: str, settings: JsonDict) -> RecordedRuns:
    try:
        with _some_directory(run.paths.output_dir):
            runner = make_runner(backend, settings)
    except BackendNotLoadedError as error:
        raise UnreadableError(
            f"run {run.run_id!r} cannot be asked about here, and was left as it is: {error}"
        ) from error
    except ConfigError as error:
        raise RecordError(
            f"the record of run {run.run_id!r} cannot be used: {str(error).rstrip('.')}. "
            f"Restore {run.paths.run} from a backup, or remove the run's folder."
        ) from error
    if not isinstance(runner.runs, RecordedRuns):
        raise RecordError(f"the backend {backend!r} of run {run.run_id!r} keeps no records")
    traits = runner.runs.backend.traits
    if backend not in BACKENDS and not traits.source:
        # Other settings may be another scheduler: its jobs are asked about by themselves.
        source = f"{backend} {settings}"
        runner.runs.backend.traits = replace(traits, source=source)
    # As absolute as it was for the submitter, wherever this process runs.
    return runner.runs.in_folder(run.paths.output_dir)
