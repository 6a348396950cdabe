"""Decides which metric ranks the runs that a user names on the command line."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tmgg.cli.known_sweeps import find_record, readable_sweeps
from tmgg.cli.meanings import Meaning
from tmgg.cli.sweep_listing import ranking_of
from tmgg.console.ranking import Ranking
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, sweep_paths_of


def ranking_of_meanings(meanings: Sequence[Meaning]) -> Ranking:
    """The ranking that the launches chose; the default if they differ."""
    found = {ranking_of(find_record(meaning.sweep)) for meaning in meanings if meaning.sweep}
    found |= _of_single_runs([run for each in meanings if each.sweep is None for run in each.runs])
    return found.pop() if len(found) == 1 else Ranking()


def chosen_ranking(meanings: Sequence[Meaning], *, sort: str | None, largest: bool) -> Ranking:
    """The ranking by `--sort` and `--max`; what they leave open is as the launch chose it.

    Raises ConfigError for a name that is not valid.
    """
    launched = ranking_of_meanings(meanings)
    metric = launched.metric if sort is None else sort
    mode = launched.mode if metric in (launched.metric, launched.name) else "min"
    return Ranking(metric, "max" if largest else mode)


def _of_single_runs(runs: Sequence[RunPaths]) -> set[Ranking]:
    """The rankings of the sweeps that have these runs; the user named the runs one by one."""
    sweeps = {run: sweep_paths_of(run) for run in runs}
    records = {sweep: find_record(sweep) for sweep in filter(None, {*sweeps.values()})}
    by_id = {run: None if sweep is None else records[sweep] for run, sweep in sweeps.items()}
    folders = {run.output_dir for run, record in by_id.items() if record is None}
    listed = _records_by_run(folders)
    return {ranking_of(record or listed.get(run)) for run, record in by_id.items()}


def _records_by_run(folders: Iterable[Path]) -> dict[RunPaths, SweepRecord]:
    """For each run, the sweep's record that lists it: not every run's id names its sweep."""
    found: dict[RunPaths, SweepRecord] = {}
    for folder in folders:
        for sweep in readable_sweeps(folder):
            found |= dict.fromkeys(sweep.runs, sweep.record)
    return found
