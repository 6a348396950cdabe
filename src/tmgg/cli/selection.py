"""From what was typed to the runs it means."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tmgg.errors import ConfigError, RecordError, UnknownRunError
from tmgg.experiment_utils.cloud.base import sweep_of
from tmgg.experiment_utils.cloud.reattach import KnownRun, read_known_run
from tmgg.experiment_utils.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.registry import is_recorded, known_folders, runs_in
from tmgg.experiment_utils.sweeps import load_sweep

COMPLETIONS_SHOWN = 200
_NAMES_SHOWN = 5
# Where runs land by default: found even when the list of folders could not be written.
_DEFAULT_FOLDERS = ("slurm_outputs", "local_outputs")


def folders_to_search(chosen: Sequence[Path] | None = None) -> list[Path]:
    """The chosen folders, else every folder runs were ever submitted to, newest first."""
    if chosen:
        return [folder.expanduser().absolute() for folder in chosen]
    here = [Path.cwd() / name for name in _DEFAULT_FOLDERS]
    found = [*known_folders(), *(folder for folder in here if folder.is_dir())]
    return list(dict.fromkeys(found))


def find_one(text: str, chosen: Sequence[Path] | None) -> KnownRun:
    """The run whose id is `text` or alone begins with it.

    Raises UnknownRunError when there is none, ConfigError when there are several.
    """
    matches = _matches(text, folders_to_search(chosen))
    if len(matches) > 1:
        raise ConfigError(_ambiguous(text, matches))
    return read_known_run(matches[0])


def find_several(texts: Iterable[str], chosen: Sequence[Path] | None) -> list[KnownRun]:
    """The runs meant by several texts, each once; a sweep's id means all of its runs.

    Raises as `find_one`.
    """
    folders = folders_to_search(chosen)
    paths: dict[RunPaths, None] = {}
    for text in texts:
        sweep = recorded_sweep(text, folders)
        matches = sweep or _matches(text, folders)
        if not sweep and len(matches) > 1 and not _is_one_sweep(matches):
            raise ConfigError(_ambiguous(text, matches))
        paths.update(dict.fromkeys(matches))
    return [read_known_run(found) for found in paths]


def recorded_sweep(text: str, folders: Sequence[Path]) -> list[RunPaths]:
    """The runs of the sweep of this id, in the order of its configs, but for those removed."""
    if sweep_of(f"{text}-0") != text:
        return []
    for folder in folders:
        try:
            record = load_sweep(SweepPaths(folder, text))
        except (RecordError, OSError):
            continue  # the runs are found by their names
        if record is not None:
            runs = [RunPaths(folder, run.run_id) for run in record.runs]
            return [paths for paths in runs if is_recorded(paths)]
    return []


def titles_of(runs: Sequence[KnownRun], texts: Iterable[str]) -> dict[RunPaths, str]:
    """In what runs differ from their siblings, as the records of their sweeps have it.

    `texts` are what was typed: a run with a name of its own is known by its sweep's id only.
    """
    named = {sweep_of(f"{text}-0") for text in texts}
    sweeps = {(run.paths.output_dir, sweep_of(run.run_id)) for run in runs}
    sweeps |= {(folder, sweep) for folder, _ in sweeps for sweep in named}
    titles: dict[RunPaths, str] = {}
    for folder, sweep in sweeps:
        if sweep is None:
            continue
        with contextlib.suppress(RecordError, OSError):
            record = load_sweep(SweepPaths(folder, sweep))
            members = [] if record is None else record.runs
            titles.update({RunPaths(folder, run.run_id): run.title for run in members})
    return titles


def complete_run(incomplete: str) -> list[str]:
    """For the shell's completion."""
    found = _beginning_with(incomplete, folders_to_search())
    return [paths.run_id for paths in found[:COMPLETIONS_SHOWN]]


def _matches(text: str, folders: Sequence[Path]) -> list[RunPaths]:
    beginning = _beginning_with(text, folders) if text else []
    exact = [paths for paths in beginning if paths.run_id == text]
    if not beginning:
        places = ", ".join(str(folder) for folder in folders) or "no folder at all"
        raise UnknownRunError(
            f"no run begins with {text!r} in {places}. `tmgg-jobs list --all` shows the runs there "
            "are; --folder DIR looks elsewhere."
        )
    return exact or beginning


def _beginning_with(text: str, folders: Sequence[Path]) -> list[RunPaths]:
    return [paths for folder in folders for paths in runs_in(folder, prefix=text)]


def _is_one_sweep(matches: Sequence[RunPaths]) -> bool:
    sweeps = {(paths.output_dir, sweep_of(paths.run_id)) for paths in matches}
    return len(sweeps) == 1 and sweep_of(matches[0].run_id) is not None


def _ambiguous(text: str, matches: Sequence[RunPaths]) -> str:
    names = [str(paths.folder) for paths in matches[:_NAMES_SHOWN]]
    more = len(matches) - len(names)
    told = ", ".join(names) + (f" and {more} more" if more else "")
    return (
        f"{text!r} means {len(matches)} runs: {told}. Type more of the run id; --folder DIR "
        "chooses between folders."
    )
