"""Chooses the runs that `watch` shows if the user names none."""

from collections.abc import Sequence
from pathlib import Path

from tmgg.cli.known_sweeps import find_record
from tmgg.cli.listing import look_at_runs
from tmgg.cli.meanings import LAST
from tmgg.cli.selection import Selection, folders_to_search, select
from tmgg.errors import RunError
from tmgg.experiment_utils.run_folder.sweeps import sweep_paths_of


def find_watched(texts: Sequence[str], chosen: Sequence[Path] | None) -> Selection:
    """The runs that `texts` mean. Without texts, the runs that go on, or else those submitted last.

    For a sweep that goes on, its ended runs count, too. Raises as `select`.
    """
    return select(texts or _going_on(chosen) or [LAST], chosen)


def _going_on(chosen: Sequence[Path] | None) -> list[str]:
    """`FOLDER/ID` of each sweep and run: a run in another folder may have the same id."""
    looked = look_at_runs(folders_to_search(chosen), prefix="", is_shown=lambda _ended_at: False)
    sweep_of = {
        run.paths: sweep_paths_of(run.paths)
        for run, state in looked.found
        if not isinstance(state, RunError) and not state.final
    }
    on_record = {sweep for sweep in filter(None, {*sweep_of.values()}) if find_record(sweep)}
    found = [
        f"{run.output_dir}/{sweep.sweep_id if sweep in on_record else run.run_id}"
        for run, sweep in sweep_of.items()
    ]
    return list(dict.fromkeys(found))
