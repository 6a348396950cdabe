"""`tmgg-jobs show`."""

from typing import Any

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunArgument


def show(run: RunArgument, *, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Show all that is known about a run, with the commands that tell more."""
    from tmgg.cli import exit_codes
    from tmgg.cli.printing import put_json
    from tmgg.cli.run_details import describe
    from tmgg.cli.run_json import unanswered
    from tmgg.cli.selection import find_one
    from tmgg.errors import RunError
    from tmgg.experiment_utils.cloud.reattach import Reattached

    chosen = find_one(run, folder)
    found = Reattached([chosen]).poll_all()[0]
    details = describe(chosen, found)
    if as_json:
        put_json(details)
    else:
        _put_details(details)
    if isinstance(found, RunError):
        raise typer.Exit(exit_codes.UNKNOWN_RUN)
    if unanswered([found]):
        raise typer.Exit(exit_codes.NO_ANSWER)


def _put_details(details: dict[str, Any]) -> None:
    from tmgg.cli.printing import put

    for name, text in _facts(details):
        if text:
            put(f"{name:<12}{text}")
    if details["failure"] is not None:
        put(_block("what happened", details["failure"]["message"].splitlines()))
        put(_block("what to do", details["failure"]["hint"].splitlines()))
    put(_block("timeline", [_timeline_line(mark) for mark in details["timeline"]]))
    if len(details["submissions"]) > 1:
        put(_block("submissions", [_submission_line(item) for item in details["submissions"]]))
    put(_block("files", [f"{name:<12}{path}" for name, path in details["files"].items()]))
    put(_block("to look deeper", details["commands"]))


def _facts(details: dict[str, Any]) -> list[tuple[str, str]]:
    from tmgg.cli.report import render_number
    from tmgg.cli.time_words import render_time

    created = details["created_at"]
    result = details["result"] or {"metrics": {}, "checkpoint_path": None}
    metrics = [f"{name}={render_number(value)}" for name, value in result["metrics"].items()]
    kind = f" ({details['failure']['kind']})" if details["failure"] else ""
    job = f"{details['backend'] or ''} job {details['job_id'] or 'not known yet'}"
    states = [details["backend_state"], details["reason"], _exit_words(details["exit_code"])]
    origin = [details["user"], details["host"], details["base_dir"]]
    return [
        ("run", details["run_id"]),
        ("status", details["status"] + kind),
        ("problem", details["problem"] or ""),
        ("job", ", ".join(filter(None, [job, *states])) if details["backend"] else ""),
        ("nodes", details["nodes"] or ""),
        ("starts", details["estimated_start"] or ""),
        ("attempt", str(details["attempt"] or "")),
        ("note", details["note"] or ""),
        ("created", render_time(created) if created else ""),
        ("from", " ".join(filter(None, origin))),
        ("metrics", ", ".join(metrics)),
        ("checkpoint", result["checkpoint_path"] or ""),
    ]


def _exit_words(exit_code: str | None) -> str:
    return f"exit code {exit_code}" if exit_code else ""


def _timeline_line(mark: dict[str, Any]) -> str:
    from tmgg.cli.time_words import render_time

    host = f" ({mark['host']})" if mark["host"] else ""
    return f"{render_time(mark['at'])}  {mark['seconds']:+9.1f} s  {mark['words']}{host}"


def _submission_line(item: dict[str, Any]) -> str:
    outcome = item["failure_kind"] or item["status"] or "goes on"
    return f"{item['number']}: job {item['job_id'] or 'none'}, {outcome}"


def _block(title: str, lines: list[str]) -> str:
    return "\n".join([f"\n{title}", *(f"  {line}" for line in lines)]) if lines else ""
