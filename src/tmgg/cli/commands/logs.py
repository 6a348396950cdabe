"""`tmgg-jobs logs`."""

from typing import Annotated

import typer

from tmgg.cli.options import FolderOption, RunArgument


def logs(
    run: RunArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends; Ctrl-C just stops.")
    ] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="The job's stderr.")] = False,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, help="Only the last N lines.")
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Print what a run's job printed, of all its attempts.

    With --follow the exit code says how the run ended: 0 completed, 1 failed.
    """
    from tmgg.cli.following import LogReader, follow_run
    from tmgg.cli.printing import say
    from tmgg.cli.selection import find_one
    from tmgg.cli.waiting import interruptible
    from tmgg.experiment_utils.cloud.reattach import Reattached

    reattached = Reattached([find_one(run, folder)])
    paths = reattached.runs[0].paths
    reader = LogReader(paths.stderr if stderr else paths.stdout)
    with interruptible(reattached):
        if not reader.start_at_last(lines):
            say(f"{reader.path} is not there yet: the job has not begun")
        reader.copy()
        if follow:
            raise typer.Exit(follow_run(reattached, reader))
