"""`tmgg-jobs list`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tmgg.cli.options import FolderOption, JsonOption

if TYPE_CHECKING:
    from tmgg.experiment_utils.cloud.polling import Found
    from tmgg.experiment_utils.cloud.reattach import KnownRun

RECENT_S = 86400.0


class Status(StrEnum):
    """What `--status` takes."""

    pending = "pending"
    running = "running"
    completed = "completed"
    failed = "failed"
    damaged = "damaged"


def list_runs(
    *,
    all_runs: Annotated[
        bool, typer.Option("--all", "-a", help="Also runs that ended more than a day ago.")
    ] = False,
    status: Annotated[
        list[Status] | None,
        typer.Option(help="Only runs with this status, however old; may be repeated."),
    ] = None,
    sweep: Annotated[
        str | None, typer.Option(metavar="SWEEP", help="Only the runs of this sweep, by its id.")
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List runs: those that go on, and those that ended within a day.

    One question to the scheduler for all of them (at most one squeue and one sacct); runs whose end
    is on record cost none.
    """
    from tmgg.cli import exit_codes
    from tmgg.cli.printing import put_json, put_table, say
    from tmgg.cli.run_json import created_at, to_json, unanswered
    from tmgg.cli.selection import folders_to_search
    from tmgg.experiment_utils.cloud.reattach import Reattached, known_runs

    runs = known_runs(folders_to_search(folder), prefix=f"{sweep}-" if sweep else "")
    runs.sort(key=created_at)
    found = list(zip(runs, Reattached(runs).poll_all(), strict=True))
    show_old = all_runs or bool(status) or sweep is not None
    shown = [pair for pair in found if _wanted(*pair, status) and (show_old or _recent(*pair))]
    if as_json:
        put_json({"runs": [to_json(run, state) for run, state in shown]})
    else:
        put_table(COLUMNS, [_row(run, state) for run, state in shown])
        if hidden := len(found) - len(shown):
            say(f"{hidden} of {len(found)} runs not shown" + ("" if show_old else " (--all)"))
        elif not found:
            say("no runs found")
    if unanswered([state for _run, state in shown]):
        raise typer.Exit(exit_codes.NO_ANSWER)


COLUMNS = ("run", "status", "age", "backend", "job", "attempt", "details")


def _row(run: "KnownRun", found: "Found") -> list[str]:
    import time

    from tmgg.cli.run_json import DAMAGED
    from tmgg.cli.time_words import render_age
    from tmgg.errors import RunError

    if isinstance(run.record, RunError) or isinstance(found, RunError):
        return [run.run_id, DAMAGED, "", "", "", "", str(found)]
    return [
        run.run_id,
        found.status,
        render_age(time.time() - run.record.created_at),
        run.record.backend,
        (found.job_id or "").partition("@")[0],
        str(found.attempt),
        _details(found),
    ]


def _details(found: "Found") -> str:
    from tmgg.errors import RunError

    assert not isinstance(found, RunError)
    if found.failure is not None:
        return f"{found.failure.kind}: {found.failure.message.partition(chr(10))[0]}"
    start = f"starts {found.estimated_start}" if found.estimated_start else ""
    where = f"on {found.nodes}" if found.nodes and not found.final else ""
    reason = found.reason if not found.final else ""
    return "; ".join(filter(None, [reason, start, where, found.note]))


def _wanted(run: "KnownRun", found: "Found", status: list[Status] | None) -> bool:
    from tmgg.cli.run_json import status_of

    return not status or status_of(found) in [item.value for item in status]


def _recent(run: "KnownRun", found: "Found") -> bool:
    import time

    from tmgg.errors import RunError
    from tmgg.experiment_utils.registry import decided_at

    if isinstance(found, RunError) or not found.final:
        return True
    ended = decided_at(run.paths)
    return ended is None or ended > time.time() - RECENT_S
