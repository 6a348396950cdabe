"""The columns of sweeps and of runs, for `tmgg-jobs list` and `top`.

Only the best values are read from files.
"""

import time
from collections.abc import Sequence

from tmgg.cli.best_values import BestValues
from tmgg.cli.run_json import TO_SUBMIT, status_of
from tmgg.cli.sweep_listing import ListedSweep
from tmgg.console.causes import summarize
from tmgg.console.durations import render_age
from tmgg.console.numbers import render_numbers
from tmgg.console.run_names import names_of_runs
from tmgg.console.sweep_table import short_ids
from tmgg.console.tables import Column
from tmgg.errors import RunError
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun
from tmgg.experiment_utils.files.trust import owner_of

STATES = {
    "done": ("completed",),
    "failed": ("failed",),
    "running": ("running",),
    "pending": ("pending",),
    TO_SUBMIT: (TO_SUBMIT,),
    "removed": ("removed",),
    "other": ("damaged", "foreign", "unknown"),
}
RUN_COLUMNS = ("run", "status", "age", "backend", "job", "attempt", "details")
_RANKS = {"age": 1, "job": 2, "attempt": 3, "backend": 4}


def sweep_columns(sweeps: Sequence[ListedSweep]) -> list[Column]:
    """A row for each sweep, in this order. Reads results where no best value is cached."""
    values = BestValues()
    ids = [sweep.paths.sweep_id for sweep in sweeps]
    bests = [(sweep.ranking.name, sweep.best(values)) for sweep in sweeps]
    values.save()
    counts = [sweep.counts for sweep in sweeps]
    states = [
        Column(
            name=name,
            cells=[str(sum(count[each] for each in kinds) or "") for count in counts],
            is_number=True,
        )
        for name, kinds in STATES.items()
        if name not in (TO_SUBMIT, "removed", "other")
        or any(count[each] for count in counts for each in kinds)
    ]
    ages = [render_age(time.time() - sweep.created_at) for sweep in sweeps]
    return [
        Column(name="sweep", cells=ids, short=short_ids(ids)),
        Column(name="name", cells=[sweep.name for sweep in sweeps], rank=1),
        Column(name="overrides", cells=[", ".join(each.overrides) for each in sweeps], rank=3),
        *states,
        Column(
            name="best",
            cells=best_cells(bests),
            rank=2,
        ),
        Column(name="age", cells=ages, rank=4),
    ]


def best_cells(bests: Sequence[tuple[str, float | None]]) -> list[str]:
    """Metric and value of each sweep. Values of one metric have enough digits to differ."""
    cells = ["" for _each in bests]
    for metric in {name for name, _at in bests}:
        places = [place for place, (name, _at) in enumerate(bests) if name == metric]
        words = render_numbers([bests[place][1] for place in places])
        for place, value in zip(places, words, strict=True):
            cells[place] = f"{metric} {value}" if value else ""
    return cells


def run_columns(shown: Sequence[tuple[KnownRun, Found]]) -> list[Column]:
    """A row for each run."""
    names = names_of_runs([run.paths for run, _state in shown])
    rows = [[names[run.paths], *_row(run, state)] for run, state in shown]
    return [
        Column(
            name=name,
            cells=(cells := [row[index] for row in rows]),
            rank=_RANKS.get(name, 0),
            short=short_ids(cells) if name == "run" else None,
            is_prose=name == "details",
        )
        for index, name in enumerate(RUN_COLUMNS)
    ]


def _row(run: KnownRun, found: Found) -> list[str]:
    """The cells of a run's row, without its name."""
    if isinstance(run.record, RunError) or isinstance(found, RunError):
        return [status_of(found), "", "", "", "", str(found)]
    owner = owner_of(run.paths.folder)
    return [
        found.status,
        render_age(time.time() - run.record.created_at),
        run.record.backend,
        (found.job_id or "").partition("@")[0],
        str(found.attempt),
        "; ".join(filter(None, [f"of {owner}" if owner else "", _details(found)])),
    ]


def _details(found: Found) -> str:
    assert not isinstance(found, RunError)
    if found.failure is not None:
        return summarize(found.failure)
    start = f"starts {found.estimated_start}" if found.estimated_start else ""
    where = f"on {found.nodes}" if found.nodes and not found.final else ""
    reason = found.reason if not found.final else ""
    return "; ".join(filter(None, [reason, start, where, found.note]))
