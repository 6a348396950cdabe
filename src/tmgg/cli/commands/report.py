"""`tmgg-jobs report`."""

from pathlib import Path
from typing import Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption, MaxOption, RunsArgument

OutOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="FILE", help="The page's file; otherwise report-NAME.html here."
    ),
]
FiguresOption = Annotated[
    Path | None,
    typer.Option(
        "--figures",
        metavar="DIR",
        help="Also write each figure there, as SVG, and as PNG where resvg-py is installed.",
    ),
]
SortOption = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="METRIC",
        help="The objective; the default is the launch's metric, else val_loss.",
    ),
]


def report(
    runs: RunsArgument,
    *,
    out: OutOption = None,
    figures: FiguresOption = None,
    sort: SortOption = None,
    largest: MaxOption = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a sweep, or any runs, as one HTML page that needs no network."""
    from tmgg.cli import report_runs
    from tmgg.cli.rankings import chosen_ranking
    from tmgg.cli.report_names import name_report
    from tmgg.cli.selection import select
    from tmgg.console.printing import put, put_json, say
    from tmgg.errors import ConfigError
    from tmgg.experiment_utils.extras import install_command
    from tmgg.experiment_utils.files.atomic_file import write_atomic
    from tmgg.report.figure_files import READABLE, can_draw_png, save_figures
    from tmgg.report.page import figures_of, render_page

    selection = select(runs, folder)
    ranking = chosen_ranking(selection.meanings, sort=sort, largest=largest)
    title, file_name = name_report(selection, runs)
    gathered = report_runs.gather(selection.runs, title, ranking)
    path = out or Path(f"report-{file_name}.html")
    page = render_page(gathered).encode()
    try:
        write_atomic(path.absolute(), page, mode=READABLE)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}. Choose -o FILE") from error
    written = [path]
    if figures is not None:
        written += save_figures(figures_of(gathered), figures)
        if not can_draw_png():
            say(f"no PNG was drawn: that needs resvg-py ({install_command('report')})")
    names = {name for run in gathered.runs for name in run.metrics}
    if line := gathered.ranking.absent_from(names):
        say(line)
    for note in gathered.notes:
        say(note)
    if as_json:
        files = [str(each.absolute()) for each in written]
        put_json(report_runs.as_json(gathered) | {"files": files})
    else:
        put("\n".join(f"written: {each}" for each in written))
