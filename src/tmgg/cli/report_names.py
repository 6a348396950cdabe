"""Names a report and its file; reports of different runs get different names."""

import hashlib
from collections.abc import Sequence

from tmgg.cli.known_sweeps import KnownSweep, find_sweep
from tmgg.cli.meanings import Meaning
from tmgg.cli.selection import Selection
from tmgg.experiment_utils.run_folder.paths import SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import sweep_paths_of

_RUNS_NAMED = 3
_LETTERS_OF_NAME = 48
_LETTERS_OF_IDS = 120


def name_report(selection: Selection, texts: Sequence[str]) -> tuple[str, str]:
    """The page's title, and the name of its file after `report-`.

    For all runs of a sweep, both contain the sweep's name and id. Otherwise they contain the ids of
    the runs or, for more than three runs, what the user typed.
    """
    sweep = _whole_sweep(selection)
    if sweep is not None:
        name, ids = sweep.record.name, sweep.paths.sweep_id
    elif len(selection.runs) <= _RUNS_NAMED:
        name, ids = "", " ".join(run.run_id for run in selection.runs)
    else:
        name, ids = "", " ".join(texts)
    title = f"{name} {ids}" if name else ids
    parts = [_plain(name)[:_LETTERS_OF_NAME], _short(_plain(ids), title)]
    return title, "-".join(filter(None, parts))


def _whole_sweep(selection: Selection) -> KnownSweep | None:
    """The sweep, if the selection is all of its runs that are on record; otherwise None."""
    named = {_sweep_of(meaning) for meaning in selection.meanings}
    paths = named.pop() if len(named) == 1 else None
    sweep = find_sweep(paths) if paths is not None else None
    removed = {paths for meaning in selection.meanings for paths in meaning.removed}
    chosen = {run.paths for run in selection.runs}
    return sweep if sweep is not None and {*sweep.runs} - removed == chosen else None


def _sweep_of(meaning: Meaning) -> SweepPaths | None:
    if meaning.sweep is not None:
        return meaning.sweep
    return sweep_paths_of(meaning.runs[0])


def _plain(text: str) -> str:
    return "".join(
        letter if letter.isascii() and letter.isalnum() else "-" for letter in text
    ).strip("-")


def _short(ids: str, title: str) -> str:
    if len(ids) <= _LETTERS_OF_IDS:
        return ids
    return f"{ids[:_LETTERS_OF_IDS]}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"
