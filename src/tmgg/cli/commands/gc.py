"""`tmgg-jobs gc`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption

if TYPE_CHECKING:
    from pathlib import Path

    from tmgg.experiment_utils.cloud.reattach import KnownRun


def gc(
    *,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Only runs that ended longer ago (12h, 30d, 8w).")
    ] = "30d",
    with_output: Annotated[
        bool, typer.Option("--with-output", help="Also the experiments' own files: checkpoints.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the records and logs of runs that ended long ago.

    Never of a run that goes on or whose record is damaged. What the experiments themselves wrote
    (RUN/output: checkpoints) stays, unless --with-output.
    """
    from tmgg.cli.printing import put, put_json, say
    from tmgg.cli.selection import folders_to_search
    from tmgg.cli.time_words import parse_duration_s, render_age
    from tmgg.errors import ConfigError
    from tmgg.experiment_utils.cloud.sweep_records import remove_empty
    from tmgg.experiment_utils.registry import remove_run

    age_s = parse_duration_s(older_than)
    ended = _ended(folders_to_search(folder), age_s)
    if not (dry_run or yes or not ended):
        if as_json or not _at_terminal():
            raise ConfigError(f"{len(ended)} runs would be removed: say --yes, or --dry-run")
        typer.confirm(f"Remove the records of {len(ended)} runs?", abort=True, err=True)
    if not dry_run:
        for run in ended:
            remove_run(run.paths, with_output=with_output)
        for output_dir in {run.paths.output_dir for run in ended}:
            remove_empty(output_dir)
    if as_json:
        names = [{"run_id": run.run_id, "folder": str(run.paths.output_dir)} for run in ended]
        put_json({"removed": [] if dry_run else names, "would_remove": names if dry_run else []})
        raise typer.Exit
    for run in ended:
        put(f"{'would remove' if dry_run else 'removed'} {run.paths.folder}")
    if not ended:
        say(f"no run ended more than {render_age(age_s)} ago")


def _ended(folders: "list[Path]", age_s: float) -> "list[KnownRun]":
    import time

    from tmgg.experiment_utils.cloud.reattach import Reattached, known_runs
    from tmgg.experiment_utils.cloud.runs import RunState
    from tmgg.experiment_utils.registry import decided_at

    runs = known_runs(folders)
    limit = time.time() - age_s
    chosen = []
    for run, state in zip(runs, Reattached(runs).poll_all(), strict=True):
        ended = decided_at(run.paths)
        final = isinstance(state, RunState) and state.final
        if final and ended is not None and ended < limit:
            chosen.append(run)
    return chosen


def _at_terminal() -> bool:
    import sys

    return sys.stdin.isatty()
