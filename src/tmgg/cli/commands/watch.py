"""`tmgg-jobs watch`."""

from typing import Annotated

import typer

from tmgg.cli.options import FolderOption, complete_run

WatchedArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN",
        help="As for `wait`. Without it: all runs that go on, or else what was submitted last.",
        autocompletion=complete_run,
    ),
]


def watch(runs: WatchedArgument = None, *, folder: FolderOption = None) -> None:
    """Show how runs get on until they have ended, then their results.

    Ctrl-C only stops looking; it ends no run.
    """
    from tmgg.cli.rankings import ranking_of_meanings
    from tmgg.cli.waiting import watch_and_tell
    from tmgg.cli.watched import find_watched
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    selection = find_watched(runs or [], folder)
    ranking = ranking_of_meanings(selection.meanings)
    raise typer.Exit(watch_and_tell(Reattached(selection.runs), ranking))
