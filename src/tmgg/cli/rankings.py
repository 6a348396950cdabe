"""By which metric runs are ranked that a user names on the command line."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tmgg.cli.known_sweeps import find_sweep, known_sweeps
from tmgg.cli.meanings import Meaning
from tmgg.cli.sweep_listing import ranking_of
from tmgg.console.ranking import Ranking
from tmgg.errors import UnreadableError
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, sweep_of


def ranking_of_meanings(meanings: Sequence[Meaning]) -> Ranking:
    """That of the launches; the default where they differ."""
    found = {ranking_of(_record(meaning.sweep)) for meaning in meanings if meaning.sweep}
    found |= _of_single_runs([run for each in meanings if each.sweep is None for run in each.runs])
    return found.pop() if len(found) == 1 else Ranking()


def chosen_ranking(meanings: Sequence[Meaning], *, sort: str | None, largest: bool) -> Ranking:
    """As `--sort` and `--max` say; what they leave open is as the launch chose it.

    Raises ConfigError for a name that is not valid.
    """
    launched = ranking_of_meanings(meanings)
    metric = launched.metric if sort is None else sort
    mode = launched.mode if metric in (launched.metric, launched.name) else "min"
    return Ranking(metric, "max" if largest else mode)


def _of_single_runs(runs: Sequence[RunPaths]) -> set[Ranking]:
    """Of runs that were meant by themselves: those of the sweeps that have them."""
    by_name = {run: _record(SweepPaths(run.output_dir, sweep_of(run.run_id) or "")) for run in runs}
    unnamed = [run for run, record in by_name.items() if record is None]
    by_content = _records_by_run({run.output_dir for run in unnamed})
    return {ranking_of(record or by_content.get(run)) for run, record in by_name.items()}


def _records_by_run(folders: Iterable[Path]) -> dict[RunPaths, SweepRecord]:
    """Of runs with names of their own, for which only the sweeps' records say where they belong."""
    found: dict[RunPaths, SweepRecord] = {}
    for folder in folders:
        try:
            sweeps = known_sweeps([folder])
        except UnreadableError:
            continue
        for sweep in sweeps:
            found |= dict.fromkeys(sweep.runs, sweep.record)
    return found


def _record(paths: SweepPaths) -> SweepRecord | None:
    found = find_sweep(paths) if paths.sweep_id else None
    return None if found is None else found.record
