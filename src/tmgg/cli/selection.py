"""Finds the runs that the arguments of a command name; `meanings` has the rules."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.cli.known_sweeps import KnownSweep, readable_sweeps
from tmgg.cli.meanings import Meaning, meaning_of, refuse_many
from tmgg.errors import RecordError, UnknownRunError
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun, read_known_run
from tmgg.experiment_utils.files.looking import is_folder, working_directory
from tmgg.experiment_utils.run_folder.known_folders import known_folders
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.run_folders import look_into
from tmgg.experiment_utils.run_folder.sweeps import SweepRun, load_sweep, sweep_paths_of

COMPLETIONS_SHOWN = 200
# The default output folders: searched even if the list of known folders could not be written.
_DEFAULT_FOLDERS = ("slurm_outputs", "local_outputs")


def folders_to_search(chosen: Sequence[Path] | None = None) -> list[Path]:
    """The chosen folders, else every folder runs were ever submitted to, newest first.

    Raises UnknownRunError for a chosen folder that does not exist.
    """
    if chosen:
        return [_existing(folder.expanduser()) for folder in chosen]
    base = working_directory()
    here = [base / name for name in _DEFAULT_FOLDERS] if base is not None else []
    found = [*known_folders(), *(folder for folder in here if _may_be(folder))]
    return list(dict.fromkeys(found))


def _existing(given: Path) -> Path:
    base = working_directory()
    if base is None and not given.is_absolute():
        raise UnknownRunError(
            f"--folder {given}: the working directory is not there any more; give an absolute path"
        )
    folder = given if base is None else base / given
    if not _may_be(folder):
        raise UnknownRunError(f"--folder {folder}: this folder does not exist")
    return folder


def _may_be(folder: Path) -> bool:
    try:
        return is_folder(folder)
    except OSError:
        return True  # the search in the folder says why it cannot be read


def find_meant(text: str, chosen: Sequence[Path] | None) -> Meaning:
    """The run or the sweep that `text` means. Raises as `meaning_of`."""
    return meaning_of(text, folders_to_search(chosen))


def find_one(text: str, chosen: Sequence[Path] | None) -> KnownRun:
    """The one run that `text` means. Raises as `meaning_of`, also for a sweep of several."""
    meaning = find_meant(text, chosen)
    if not meaning.is_one_run:
        raise refuse_many(text, meaning)
    return read_known_run(meaning.runs[0])


@dataclass(frozen=True, slots=True)
class Selection:
    """What several texts mean."""

    meanings: list[Meaning]
    runs: list[KnownRun]
    """Each run once; a sweep means all of its runs."""


def select(texts: Iterable[str], chosen: Sequence[Path] | None) -> Selection:
    """What the texts mean. Raises as `meaning_of`."""
    folders = folders_to_search(chosen)
    meanings = [meaning_of(text, folders) for text in texts]
    paths = dict.fromkeys(paths for meaning in meanings for paths in meaning.runs)
    return Selection(meanings, [read_known_run(found) for found in paths])


def find_several(texts: Iterable[str], chosen: Sequence[Path] | None) -> list[KnownRun]:
    """The runs of `select`."""
    return select(texts, chosen).runs


def members_of(runs: Sequence[KnownRun]) -> dict[RunPaths, SweepRun]:
    """What the sweeps' records say about each run; a run without a readable record is absent."""
    sweeps = {sweep_paths_of(run.paths) for run in runs}
    found: dict[RunPaths, SweepRun] = {}
    for paths in filter(None, sweeps):
        with contextlib.suppress(RecordError, OSError):
            record = load_sweep(paths)
            found |= {} if record is None else _by_paths(KnownSweep(paths, record))
    if all(run.paths in found for run in runs):
        return found
    # The ids of some runs do not name their sweep.
    for folder in {run.paths.output_dir for run in runs}:
        for sweep in readable_sweeps(folder):
            found |= _by_paths(sweep)
    return found


def titles_of(runs: Sequence[KnownRun]) -> dict[RunPaths, str]:
    """The titles of the runs that `members_of` finds."""
    return {paths: member.title for paths, member in members_of(runs).items()}


def _by_paths(sweep: KnownSweep) -> dict[RunPaths, SweepRun]:
    return dict(zip(sweep.runs, sweep.record.runs, strict=True))


def complete_run(incomplete: str) -> list[str]:
    """For the shell's completion."""
    looks = [look_into(folder, prefix=incomplete) for folder in folders_to_search()]
    found = [paths.run_id for look in looks for paths in look.runs]
    return found[:COMPLETIONS_SHOWN]
