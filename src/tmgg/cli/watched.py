"""Chooses the runs that `watch` shows if the user names none."""

from collections.abc import Sequence
from pathlib import Path

from tmgg.cli.listing import look_at_runs
from tmgg.cli.meanings import LAST
from tmgg.cli.selection import Selection, folders_to_search, select
from tmgg.errors import RunError


def find_watched(texts: Sequence[str], chosen: Sequence[Path] | None) -> Selection:
    """The runs that `texts` mean; without any those that go on, else those submitted last.

    Of a sweep that goes on all runs count, the ended ones, too. Raises as `select`.
    """
    return select(texts or _going_on(chosen) or [LAST], chosen)


def _going_on(chosen: Sequence[Path] | None) -> list[str]:
    from tmgg.experiment_utils.run_folder.sweeps import sweep_of

    looked = look_at_runs(folders_to_search(chosen), prefix="", is_shown=lambda _ended_at: False)
    open_ids = [
        run.run_id
        for run, state in looked.found
        if not isinstance(state, RunError) and not state.final
    ]
    return list(dict.fromkeys(sweep_of(run_id) or run_id for run_id in open_ids))
