"""Makes the runners of runs that any process submitted, from the runs' records.

Runs with the same backend, folder and settings for asking share a runner.
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

# The settings of TMGG's own backends that polling needs. The other settings concern submitting; a
# retry reads them from the record. For a backend of another package all settings are used, because
# TMGG does not know which of them polling needs.
_POLL_SETTINGS = (
    "lost_grace_s", "poll_interval_s", "address", "token_path", "environment", "clusters",
)  # fmt: skip


class RunnersOnRecord:
    """Makes runners, and remembers them."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Path, str], RecordedRuns] = {}

    def of(self, run: KnownRun) -> RecordedRuns:
        """The runner of a run. Raises RunError if the run's record cannot be used."""
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
    """Within the block, `folder` is the working directory if this process's own was removed.

    Every runner resolves paths against the working directory when it is made. A runner made from a
    record does not use these paths.
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
        # Other settings may mean another scheduler, so they must not share one question.
        source = f"{backend} {settings}"
        runner.runs.backend.traits = replace(traits, source=source)
    # The absolute path that the submitter used, whatever this process's working directory is.
    return runner.runs.in_folder(run.paths.output_dir)
