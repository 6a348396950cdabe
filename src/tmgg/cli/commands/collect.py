"""`tmgg-jobs collect`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunsArgument

if TYPE_CHECKING:
    from tmgg.cli.ranking import Ranking
    from tmgg.cli.sweep_summary import SweepRow

SortOption = Annotated[
    str | None,
    typer.Option("--sort", metavar="METRIC", help="Show the run with the best METRIC first."),
]
MaxOption = Annotated[
    bool, typer.Option("--max", help="The greatest METRIC is the best, not the least.")
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="DIR",
        help="Also write sweep_summary.csv and .json there (and .parquet, with pyarrow).",
    ),
]


def collect(
    runs: RunsArgument,
    *,
    folder: FolderOption = None,
    sort: SortOption = None,
    largest: MaxOption = False,
    save: SaveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the results of runs that have ended: metrics, and why failed ones failed.

    Runs that go on are named on stderr, and the exit code is then 2: wait for them first.
    """
    from dataclasses import asdict

    from tmgg.cli import exit_codes
    from tmgg.cli.printing import put_json, say
    from tmgg.cli.ranking import Ranking
    from tmgg.cli.run_json import poll_or_raise
    from tmgg.cli.selection import find_several, titles_of
    from tmgg.cli.sweep_summary import SweepRow, save_summary, sort_rows
    from tmgg.experiment_utils.cloud.reattach import Reattached

    ranking = Ranking(sort, "max" if largest else "min")
    reattached = Reattached(find_several(runs, folder))
    states = poll_or_raise(reattached)
    titles = titles_of(reattached.runs, runs)
    rows = [
        SweepRow(
            number=number,
            title=titles.get(run.paths, ""),
            result=reattached.collect(state.run_id),
        )
        for number, (run, state) in enumerate(zip(reattached.runs, states, strict=True))
        if state.final
    ]
    open_ids = [state.run_id for state in states if not state.final]
    ordered = sort_rows(rows, ranking)
    if as_json:
        put_json({"results": [asdict(row.result) for row in ordered], "not_ended": open_ids})
    else:
        _put_results(ordered, ranking)
    for path in save_summary(rows, ranking, save) if save else []:
        say(f"written: {path}")
    for run_id in open_ids:
        say(f"run {run_id} has not ended; tmgg-jobs wait {run_id}")
    if open_ids:
        raise typer.Exit(exit_codes.MISUSE)
    failed = any(row.result.status == "failed" for row in rows)
    raise typer.Exit(exit_codes.FAILED if failed else exit_codes.OK)


def _put_results(rows: "Sequence[SweepRow]", ranking: "Ranking") -> None:
    from tmgg.cli.printing import put, put_table, say
    from tmgg.cli.report import render_number
    from tmgg.cli.sweep_summary import best_of
    from tmgg.cli.time_words import render_duration

    names = list(dict.fromkeys(name for row in rows for name in row.result.metrics))
    titled = any(row.title for row in rows)
    cells = [
        [
            row.result.run_id,
            *([row.title] if titled else []),
            row.result.status,
            render_duration(row.result.duration_seconds),
            *(
                render_number(row.result.metrics[name]) if name in row.result.metrics else ""
                for name in names
            ),
            row.result.failure.kind if row.result.failure else "",
        ]
        for row in rows
    ]
    overrides = ["overrides"] if titled else []
    put_table(("run", *overrides, "status", "time", *names, "failure"), cells)
    best = best_of(rows, ranking)
    if best is not None and len(rows) > 1:
        value = render_number(best.result.metrics[ranking.name])
        put(f"best {ranking.name}: {value} (run {best.result.run_id})")
    failed = [row.result for row in rows if row.result.failure is not None]
    if len(rows) == 1 and failed:
        say(f"{failed[0].error_message}")
    elif failed:
        say(f"{len(failed)} of {len(rows)} failed; tmgg-jobs explain RUN tells why")
