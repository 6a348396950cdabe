"""`tmgg-jobs list`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption

if TYPE_CHECKING:
    from tmgg.cli.sweep_listing import ListedSweep, Statuses
    from tmgg.console.tables import Column
    from tmgg.experiment_utils.cloud.judging.polling import Found
    from tmgg.experiment_utils.cloud.runs_on_record.known_run import KnownRun

RECENT_S = 86400.0


class Status(StrEnum):
    """What `--status` takes."""

    pending = "pending"
    running = "running"
    completed = "completed"
    failed = "failed"
    removed = "removed"
    damaged = "damaged"
    foreign = "foreign"
    unknown = "unknown"


def list_runs(
    *,
    all_runs: Annotated[
        bool, typer.Option("--all", "-a", help="Also runs that ended more than a day ago.")
    ] = False,
    status: Annotated[
        list[Status] | None,
        typer.Option(
            metavar="STATUS",
            help=f"Only runs with this status, however old: {', '.join(Status)}; may be repeated.",
        ),
    ] = None,
    runs: Annotated[
        bool, typer.Option("--runs", "-r", help="A line for each run, not for each sweep.")
    ] = False,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="SWEEP",
            help="Only the runs of this sweep: its id, its name, last.",
        ),
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List sweeps and runs that go on or ended within a day.

    One question to the scheduler for all of them (at most one squeue and one sacct); runs whose end
    is on record cost none.
    """
    import os
    import time

    from tmgg.cli.listing import look_at_runs
    from tmgg.cli.run_json import created_at, to_json, unanswered
    from tmgg.cli.selection import find_meant, folders_to_search
    from tmgg.cli.unseen import is_unanswered, render_unseen, unseen_as_json
    from tmgg.console import exit_codes
    from tmgg.console.printing import put_json, say

    show_old = all_runs or bool(status) or sweep is not None
    since = time.time() - RECENT_S
    meant = find_meant(sweep, folder).runs if sweep is not None else ()
    listed = look_at_runs(
        dict.fromkeys(paths.output_dir for paths in meant) or folders_to_search(folder),
        prefix=os.path.commonprefix([each.run_id for each in meant]),  # noqa: RUF071 - of letters
        is_shown=lambda ended_at: show_old or ended_at > since,
    )
    found, old = listed.found, len(listed.settled)
    if meant:
        members = {*meant}
        found = [pair for pair in found if pair[0].paths in members]
    found.sort(key=lambda pair: created_at(pair[0]))
    shown = [pair for pair in found if _wanted(*pair, status) and (show_old or _recent(*pair))]
    if as_json:
        unseen = unseen_as_json(listed.looks)
        as_dicts = [to_json(run, state) for run, state in shown]
        put_json({"runs": as_dicts} | ({"unseen": unseen} if unseen else {}))
    else:
        by_run = runs or bool(status) or sweep is not None
        runs_put = _put(
            shown, {} if by_run else listed.settled | _statuses(found), is_by_run=by_run
        )
        if hidden := len(found) + old - runs_put:
            say(f"{hidden} of {len(found) + old} runs not shown" + ("" if show_old else " (--all)"))
        elif not found:
            say("no runs found")
    for line in render_unseen(listed.looks):
        say(line)
    if unanswered([state for _run, state in shown]) or is_unanswered(listed.looks):
        raise typer.Exit(exit_codes.NO_ANSWER)


def _statuses(found: "list[tuple[KnownRun, Found]]") -> "Statuses":
    from tmgg.cli.run_json import shown_status_of

    return {run.paths: shown_status_of(state) for run, state in found}


def _put(shown: "list[tuple[KnownRun, Found]]", statuses: "Statuses", *, is_by_run: bool) -> int:
    """Print the sweeps and then the runs without one, or all runs. Return the number of runs."""
    from tmgg.console.printing import put

    if is_by_run:
        _put_runs(shown)
        return len(shown)
    from tmgg.cli.sweep_listing import group_by_sweep

    sweeps, others = group_by_sweep([run.paths for run, _found in shown], statuses)
    if sweeps:
        _put_sweeps(sweeps)
    alone = {*others}
    rest = [pair for pair in shown if pair[0].paths in alone]
    if sweeps and rest:
        put()
    _put_runs(rest)
    # A set counts a run once: a resumed sweep has runs of earlier sweeps.
    return len({paths for sweep in sweeps for paths in sweep.runs}) + len(rest)


def _put_sweeps(sweeps: "list[ListedSweep]") -> None:
    from tmgg.cli.list_columns import sweep_columns

    _put_table(sweep_columns(sorted(sweeps, key=lambda sweep: sweep.created_at)))


def _put_runs(shown: "list[tuple[KnownRun, Found]]") -> None:
    from tmgg.cli.list_columns import run_columns

    if shown:
        _put_table(run_columns(shown))


def _put_table(columns: "list[Column]") -> None:
    from tmgg.console.printing import say
    from tmgg.console.tables import put_runs

    if line := put_runs(columns, how="--json has all"):
        say(line)


def _wanted(run: "KnownRun", found: "Found", status: list[Status] | None) -> bool:
    from tmgg.cli.run_json import status_of

    return not status or status_of(found) in [item.value for item in status]


def _recent(run: "KnownRun", found: "Found") -> bool:
    import time

    from tmgg.errors import RunError
    from tmgg.experiment_utils.run_folder.registry import decided_at

    if isinstance(found, RunError) or not found.final:
        return True
    ended = decided_at(run.paths)
    return ended is None or ended > time.time() - RECENT_S
