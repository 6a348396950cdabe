"""`tmgg-jobs collect`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption, MaxOption, RunsArgument

if TYPE_CHECKING:
    from tmgg.console.ranking import Ranking
    from tmgg.console.sweep_summary import SweepRow

SortOption = Annotated[
    str | None,
    typer.Option("--sort", metavar="METRIC", help="Show the run with the best METRIC first."),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="DIR",
        help="Also write sweep_summary.csv and .json there (and .parquet, with pyarrow).",
    ),
]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="NAME,...",
        help="Show these columns, whatever the width: metrics, overrides, time; `val_*` is a "
        "pattern, '*' all.",
    ),
]


def collect(
    runs: RunsArgument,
    *,
    folder: FolderOption = None,
    sort: SortOption = None,
    largest: MaxOption = False,
    save: SaveOption = None,
    columns: ColumnsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the results of runs that have ended; say why some failed.

    Runs that go on are named on stderr, and the exit code is then 2: wait for them first.
    """
    from dataclasses import asdict

    from tmgg.cli.rankings import chosen_ranking
    from tmgg.cli.removed import Removed, collect_present, poll_present
    from tmgg.cli.result_rows import rows_of
    from tmgg.cli.selection import select
    from tmgg.console import exit_codes
    from tmgg.console.printing import put_json, say
    from tmgg.console.run_names import command_for, lines_of_runs, names_of_runs
    from tmgg.console.sweep_summary import save_summary, sort_rows
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    selection = select(runs, folder)
    ranking = chosen_ranking(selection.meanings, sort=sort, largest=largest)
    removed = Removed()
    reattached, states = poll_present(Reattached(selection.runs), removed)
    results = collect_present(reattached, states, removed)
    rows = rows_of(reattached.runs, results)
    pairs = zip(reattached.runs, states, strict=True)
    open_runs = [run.paths for run, state in pairs if not state.final]
    ordered = sort_rows(rows, ranking)
    if as_json:
        put_json(
            {
                "results": [asdict(row.result) for row in ordered],
                "not_ended": [paths.run_id for paths in open_runs],
                **removed.as_json(),
            }
        )
    else:
        _put_results(ordered, ranking, columns)
    for path in save_summary(rows, ranking, save) if save else []:
        say(f"written: {path}")
    names = names_of_runs([run.paths for run in reattached.runs])
    how = command_for("tmgg-jobs wait", open_runs, asked=list(names))
    for line in lines_of_runs(
        [names[paths] for paths in open_runs],
        "run {0} has not ended; tmgg-jobs wait {0}".format,
        f"have not ended ({how.strip()})",
    ):
        say(line)
    if open_runs:
        raise typer.Exit(exit_codes.MISUSE)
    failed = any(row.result.status == "failed" for row in rows)
    raise typer.Exit(exit_codes.FAILED if failed else removed.exit_code)


def _put_results(
    rows: "Sequence[SweepRow]", ranking: "Ranking", asked: "Sequence[str] | None"
) -> None:
    from tmgg.console import sweep_table
    from tmgg.console.column_choice import choose, split_names, tell_apart
    from tmgg.console.printing import put, say
    from tmgg.console.sweep_summary import best_of
    from tmgg.console.tables import Column, put_runs

    if not rows:
        return
    all_names = sweep_table.names_of_metrics(rows)
    names = sweep_table.choose_metrics(all_names, ranking) if asked is None else all_names
    shown = tell_apart(
        [
            sweep_table.run_column(rows),
            *sweep_table.overrides_columns(rows),
            Column(name="status", cells=[row.result.status for row in rows]),
            sweep_table.time_column(rows),
            *sweep_table.metric_columns(rows, names, ranking),
            sweep_table.failure_column(rows),
            *([] if asked is None else sweep_table.use_columns(rows)),
        ]
    )
    if asked is not None:
        others = sweep_table.other_columns(rows)
        wanted = [name for text in asked for name in split_names(text, [*shown, *others])]
        choice = choose(shown, wanted, others)
        shown = choice.columns
        if choice.absent:
            say(f"left out, because there is no such column: {', '.join(choice.absent)}")
    more = len(all_names) - len(names)
    if line := put_runs(shown, how="--columns NAME,... shows them", more_metrics=more):
        say(line)
    best = best_of(rows, ranking)
    if best is not None and len(rows) > 1:
        value = sweep_table.render_metric(best, rows, ranking.name)
        put(f"best {ranking.name}: {value} (run {best.shown_name})")
    if line := ranking.absent_from(all_names):
        say(line)
    failed = [row.result for row in rows if row.result.failure is not None]
    if len(rows) == 1 and failed:
        say(f"{failed[0].error_message}")
    elif failed:
        say(f"{len(failed)} of {len(rows)} failed; tmgg-jobs explain SWEEP or RUN tells why")
