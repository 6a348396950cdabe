"""`tmgg-jobs wait`."""

from typing import Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunsArgument


def wait(
    runs: RunsArgument,
    *,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Give up after this time (90s, 10m, 2h); the runs go on."
        ),
    ] = None,
    cancel_on_interrupt: Annotated[
        bool,
        typer.Option(
            "--cancel-on-interrupt", help="Ctrl-C cancels the runs; without it they go on."
        ),
    ] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until all the runs have ended."""
    from tmgg.cli.rankings import ranking_of_meanings
    from tmgg.cli.selection import select
    from tmgg.cli.waiting import wait_and_tell
    from tmgg.console.durations import parse_duration_s
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached

    limit_s = None if timeout is None else parse_duration_s(timeout)
    selection = select(runs, folder)
    raise typer.Exit(
        wait_and_tell(
            Reattached(selection.runs),
            ranking_of_meanings(selection.meanings),
            limit_s=limit_s,
            cancel_on_interrupt=cancel_on_interrupt,
            as_json=as_json,
        )
    )
