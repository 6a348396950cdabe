"""`tmgg-jobs gc`."""

from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption

if TYPE_CHECKING:
    from pathlib import Path

    from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun


def gc(
    *,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Only runs that ended longer ago (12h, 30d, 8w).")
    ] = "30d",
    with_output: Annotated[
        bool,
        typer.Option("--with-output", help="Also the experiments' own files, such as checkpoints."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the records and logs of runs that ended long ago.

    Never of a run that goes on or whose record is damaged. What the experiments themselves wrote
    (RUN/output: checkpoints) stays, unless --with-output.
    """
    from tmgg.cli.selection import folders_to_search
    from tmgg.cli.unseen import is_unanswered, render_unseen
    from tmgg.console import exit_codes
    from tmgg.console.durations import parse_duration_s, render_age
    from tmgg.console.printing import put, put_json, say
    from tmgg.errors import ConfigError
    from tmgg.experiment_utils.run_folder.run_folders import look_into

    age_s = parse_duration_s(older_than)
    looks = {each: look_into(each) for each in folders_to_search(folder)}
    for line in render_unseen(looks):
        say(line)
    folders = [each for each, look in looks.items() if look.is_whole]
    ended = _ended(folders, age_s, settle=not dry_run)
    if not (dry_run or yes or not ended):
        if as_json or not _at_terminal():
            raise ConfigError(f"{len(ended)} runs would be removed: give --yes, or --dry-run")
        typer.confirm(f"Remove the records of {len(ended)} runs?", abort=True, err=True)
    if not dry_run:
        ended = _remove(ended, age_s, folders, with_output=with_output)
    if as_json:
        names = [{"run_id": run.run_id, "folder": str(run.paths.output_dir)} for run in ended]
        put_json({"removed": [] if dry_run else names, "would_remove": names if dry_run else []})
        raise typer.Exit(exit_codes.NO_ANSWER if is_unanswered(looks) else exit_codes.OK)
    for run in ended:
        put(f"{'would remove' if dry_run else 'removed'} {run.paths.folder}")
    if not ended:
        say(f"no run ended more than {render_age(age_s)} ago")
    if is_unanswered(looks):
        raise typer.Exit(exit_codes.NO_ANSWER)


def _remove(
    runs: "list[KnownRun]", age_s: float, folders: "list[Path]", *, with_output: bool
) -> "list[KnownRun]":
    """Remove the runs and return those removed. A run submitted again meanwhile stays."""
    import functools

    from tmgg.console.printing import say
    from tmgg.experiment_utils.cloud.sweep.records import remove_empty
    from tmgg.experiment_utils.run_folder.removal import finish_removals, remove_run

    removed = []
    for run in runs:
        may_go = functools.partial(_is_old, run, age_s)
        try:
            if remove_run(run.paths, with_output=with_output, may_go=may_go):
                removed.append(run)
            else:
                say(f"run {run.run_id} was submitted again just now; left alone")
        except OSError as error:
            say(f"run {run.run_id} cannot be removed now: {error}")
    for output_dir in {*folders, *(run.paths.output_dir for run in runs)}:
        try:
            finish_removals(output_dir)
        except OSError as error:
            say(f"what was left of removed runs in {output_dir} cannot be seen now: {error}")
    for output_dir in {run.paths.output_dir for run in removed}:
        remove_empty(output_dir)
    return removed


def _is_old(run: "KnownRun", age_s: float) -> bool:
    """Whether the record or the remains of a run show that it ended over `age_s` seconds ago."""
    import time

    from tmgg.experiment_utils.run_folder.lost_folders import lost_since
    from tmgg.experiment_utils.run_folder.registry import decided_at

    ended = decided_at(run.paths) or lost_since(run.paths)
    return ended is not None and ended < time.time() - age_s


def _ended(folders: "list[Path]", age_s: float, *, settle: bool) -> "list[KnownRun]":
    from tmgg.errors import RemovedRunError
    from tmgg.experiment_utils.cloud.runs import RunState
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached, known_runs
    from tmgg.experiment_utils.files.trust import owner_of
    from tmgg.experiment_utils.run_folder.registry import decided_at

    runs = [run for run in known_runs(folders) if owner_of(run.paths.folder) is None]
    reattached = Reattached(runs)
    chosen = []
    for run, state in zip(runs, reattached.poll_all(), strict=True):
        if isinstance(state, RemovedRunError) and _is_old(run, age_s):
            chosen.append(run)  # the user removed its folder, but not its exit record and logs
        if not (isinstance(state, RunState) and state.final):
            continue
        if settle and decided_at(run.paths) is None:
            reattached.settle(run.paths)
        if _is_old(run, age_s):
            chosen.append(run)
    return chosen


def _at_terminal() -> bool:
    import sys

    return sys.stdin.isatty()
