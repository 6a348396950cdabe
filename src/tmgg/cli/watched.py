"""Chooses the runs that `watch` shows if the user names none."""

from collections.abc import Sequence
from pathlib import Path

from tmgg.cli.known_sweeps import find_sweep
from tmgg.cli.listing import look_at_runs
from tmgg.cli.meanings import LAST
from tmgg.cli.selection import Selection, folders_to_search, select
from tmgg.errors import RunError
from tmgg.experiment_utils.run_folder.paths import SweepPaths


def find_watched(texts: Sequence[str], chosen: Sequence[Path] | None) -> Selection:
    """The runs that `texts` mean; without any those that go on, else those submitted last.

    Of a sweep that goes on all runs count, the ended ones, too. Raises as `select`.
    """
    return select(texts or _going_on(chosen) or [LAST], chosen)


def _going_on(chosen: Sequence[Path] | None) -> list[str]:
    """By where they are: an id may be that of a run in another folder, too."""
    from tmgg.experiment_utils.run_folder.sweeps import sweep_of

    looked = look_at_runs(folders_to_search(chosen), prefix="", is_shown=lambda _ended_at: False)
    open_runs = [
        run.paths
        for run, state in looked.found
        if not isinstance(state, RunError) and not state.final
    ]
    sweep_ids = {run: sweep_of(run.run_id) for run in open_runs}
    places = {(run.output_dir, name) for run, name in sweep_ids.items() if name is not None}
    on_record = {place for place in places if find_sweep(SweepPaths(*place)) is not None}
    found = []
    for run, sweep_id in sweep_ids.items():
        is_known = (run.output_dir, sweep_id) in on_record
        found.append(f"{run.output_dir}/{sweep_id if is_known else run.run_id}")
    return list(dict.fromkeys(found))
