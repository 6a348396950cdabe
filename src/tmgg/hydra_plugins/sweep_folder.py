"""Refuses two sweeps with the same `hydra.sweep.dir`: jobs would overwrite each other's files.

Hydra's default for it has only the second of the launch in its name. A launch notes in the folder
which run writes into which folder below it. The next launch there checks whether those runs go on.
"""

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import ConfigError, RecordError, RemovedRunError
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.locks import FolderLock
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.output_folder import make_shared_folder
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, RunPaths
from tmgg.experiment_utils.run_folder.records import parse_record
from tmgg.experiment_utils.run_folder.registry import Intent, new_intent

log = logging.getLogger(__name__)

_NOTES = ".tmgg"


@dataclass(frozen=True, slots=True)
class _Note:
    """The note of one launch."""

    file: Path
    launcher: Intent
    output_dir: Path
    runs: Mapping[str, str]
    """Folders of runs, by run id."""

    @property
    def launches(self) -> bool:
        """Whether its launcher may still put runs on record."""
        return not (self.launcher.submitter_has_ended or leases.is_over(self.file))


@contextlib.contextmanager
def noted(sweep_dir: Path, output_dir: Path | None, runs: Mapping[str, str]) -> Iterator[None]:
    """Note the folders of new runs, by run id, while they are launched.

    Raises ConfigError if another run that has not ended has one of these folders.
    """
    if output_dir is None or not runs:
        yield
        return
    places = {run_id: os.path.normpath(folder) for run_id, folder in runs.items()}
    file = sweep_dir / _NOTES / f"{secrets.token_hex(8)}.json"
    try:
        _note(file, output_dir, places)
    except OSError as error:
        log.warning("whether other sweeps write into %s is not known: %s", sweep_dir, error)
    with leases.held(file):
        try:
            yield
        finally:
            # From now on only the runs on record count.
            with contextlib.suppress(OSError):
                os.utime(file, (0, 0))


def refuse_known(known: Mapping[str, str], runs: Mapping[str, str]) -> None:
    """Raise ConfigError if a new run has the folder of a recognised run of the resumed sweep.

    `known` has run ids by folder, `runs` has folders by run id.
    """
    owners = {os.path.normpath(folder): run_id for folder, run_id in known.items()}
    for folder in runs.values():
        owner = owners.get(os.path.normpath(folder))
        if owner is not None:
            raise ConfigError(
                f"a new run of this sweep would write into {folder}, which has the files of run "
                f"{owner!r} of an earlier launch: jobs are numbered anew. Nothing was submitted. "
                "Set another hydra.sweep.dir (recognised runs stay in their folders), or a "
                "hydra.sweep.subdir that tells jobs apart, as '${hydra:job.override_dirname}'; or "
                "set hydra.launcher.share_output_dir=true if this is meant."
            )


def _note(file: Path, output_dir: Path, places: Mapping[str, str]) -> None:
    file.parent.parent.mkdir(parents=True, exist_ok=True)
    make_shared_folder(file.parent)
    with FolderLock(folder=file.parent, name="lock").held():
        for note in _notes(file.parent):
            _refuse_taken(note, places)
        more = {"output_dir": str(output_dir), "runs": dict(places)}
        write_json(file, {**new_intent().to_json(), **more})


def _refuse_taken(note: _Note, places: Mapping[str, str]) -> None:
    asked = {folder: run_id for run_id, folder in places.items()}
    taken = [
        run_id
        for run_id, folder in note.runs.items()
        if folder in asked and asked[folder] != run_id
    ]
    runs = [read_known_run(RunPaths(note.output_dir, run_id)) for run_id in taken]
    for run_id, state in zip(taken, Reattached(runs).poll_all(), strict=True):
        if isinstance(state, RemovedRunError):  # or not on record yet
            goes_on = note.launches
        else:
            goes_on = isinstance(state, RunState) and not state.final
        if goes_on:
            raise ConfigError(
                f"run {run_id!r}, which has not ended, writes into {note.runs[run_id]}, and so "
                f"would a run of this sweep: process {note.launcher.pid} on {note.launcher.host} "
                "launched a sweep with the same hydra.sweep.dir. Nothing was submitted. Launch "
                "again, if it is Hydra's default, which changes every second; or give this sweep "
                "its own, as in hydra.sweep.dir='multirun/${now:%Y-%m-%d_%H-%M-%S_%f}'; or set "
                "hydra.launcher.share_output_dir=true if this is meant."
            )


def _notes(folder: Path) -> Iterator[_Note]:
    for file in sorted(folder.glob("*.json")):
        with contextlib.suppress(RecordError, OSError, KeyError, TypeError, ValueError):
            value = read_json(file) or {}
            launcher = parse_record(Intent, value, what=str(file), newest_version=LAYOUT_VERSION)
            runs = {str(run_id): str(place) for run_id, place in dict(value["runs"]).items()}
            yield _Note(file, launcher, Path(str(value["output_dir"])), runs)
