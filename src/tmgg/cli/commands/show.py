"""`tmgg-jobs show`."""

from typing import TYPE_CHECKING, Any

import typer

from tmgg.cli.options import FolderOption, JsonOption, RunArgument

if TYPE_CHECKING:
    from tmgg.cli.meanings import Meaning
    from tmgg.cli.sweep_view import SweepView


def show(run: RunArgument, *, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Show all that is known about a run; of a sweep, its runs."""
    from tmgg.cli.run_details import describe
    from tmgg.cli.run_json import unanswered
    from tmgg.cli.selection import find_meant
    from tmgg.console import exit_codes
    from tmgg.console.printing import put_json
    from tmgg.errors import RemovedRunError, RunError
    from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
    from tmgg.experiment_utils.cloud.runs_on_record.reattach import Reattached
    from tmgg.experiment_utils.run_folder.removed_runs import refuse_removed

    meaning = find_meant(run, folder)
    if not meaning.is_one_run or meaning.removed:
        _show_sweep(meaning, as_json=as_json)
        return
    chosen = read_known_run(meaning.runs[0])
    found = Reattached([chosen]).poll_all()[0]
    if isinstance(found, RemovedRunError):
        raise found
    details = describe(chosen, found)
    refuse_removed(chosen.paths)  # half of it may have been read
    if as_json:
        put_json(details)
    else:
        _put_details(details)
    if isinstance(found, RunError):
        raise typer.Exit(exit_codes.exit_code_of(found))
    if unanswered([found]):
        raise typer.Exit(exit_codes.NO_ANSWER)


def _show_sweep(meaning: "Meaning", *, as_json: bool) -> None:
    from tmgg.cli.run_json import unanswered
    from tmgg.cli.sweep_view import view_sweep
    from tmgg.console import exit_codes
    from tmgg.console.printing import put_json

    view = view_sweep(meaning)
    if as_json:
        put_json(view.to_json() | {"runs": view.runs_as_json()})
    else:
        _put_sweep(view)
    if unanswered(view.found):
        raise typer.Exit(exit_codes.NO_ANSWER)


def _put_sweep(view: "SweepView") -> None:
    from tmgg.cli.run_json import status_of
    from tmgg.console.column_choice import tell_apart
    from tmgg.console.printing import put, say
    from tmgg.console.sweep_table import columns_of_titles, short_ids
    from tmgg.console.tables import Column, put_runs
    from tmgg.errors import RunError

    put(f"{view.summary()}\n")
    run_ids = [run.run_id for run in view.runs]
    jobs = ["" if isinstance(found, RunError) else found.job_id or "" for found in view.found]
    kinds = [
        found.failure.kind if not isinstance(found, RunError) and found.failure else ""
        for found in view.found
    ]
    columns = tell_apart(
        [
            Column(name="run", cells=run_ids, short=short_ids(run_ids)),
            *columns_of_titles([view.titles.get(run_id, "") for run_id in run_ids]),
            Column(name="status", cells=[status_of(found) for found in view.found]),
            Column(name="failure", cells=kinds),
            Column(name="job", cells=[job.partition("@")[0] for job in jobs], rank=2),
        ]
    )
    if line := put_runs(columns, how="--json has all"):
        say(line)
    if view.causes:
        put(f"\n{view.render_causes()}")
    if problems := view.problems():
        put(_block("removed, or not to be read", problems))


def _put_details(details: dict[str, Any]) -> None:
    from tmgg.console.printing import put
    from tmgg.console.words import put_words

    for name, text in _facts(details):
        if text:
            put(f"{name:<12}{text}")
    if details["failure"] is not None:
        put(_block("what happened", details["failure"]["message"].splitlines()))
        put("\nwhat to do")
        put_words(details["failure"]["hint"], indent="  ")
    if details["refused_retry"] is not None:
        put(_block("a retry was refused, and left the run as it was", _refusal_lines(details)))
    put(_block("what it used", _use_lines(details)))
    put(_block("timeline", [_timeline_line(mark) for mark in details["timeline"]]))
    if len(details["submissions"]) > 1:
        lines = [line for item in details["submissions"] for line in _submission_lines(item)]
        put(_block("submissions", lines))
    put(_block("files", [f"{name:<12}{path}" for name, path in details["files"].items()]))
    put(_block("to look deeper", details["commands"]))


def _facts(details: dict[str, Any]) -> list[tuple[str, str]]:
    from tmgg.console.durations import render_time
    from tmgg.console.numbers import render_number
    from tmgg.console.report import METRICS_OF_A_RUN_SHOWN
    from tmgg.console.visible import visible_line
    from tmgg.experiment_utils.cloud.judging.diagnosis import changed_words

    created = details["created_at"]
    result = details["result"] or {"metrics": {}, "checkpoint_path": None}
    edited = changed_words(result.get("changed_script"), result.get("changed_code", {}))
    metrics = [
        f"{visible_line(name)}={render_number(value)}"
        for name, value in list(result["metrics"].items())[:METRICS_OF_A_RUN_SHOWN]
    ]
    if left_out := len(result["metrics"]) - len(metrics):
        metrics.append(f"and {left_out} more (--json)")
    kind = f" ({details['failure']['kind']})" if details["failure"] else ""
    job = f"{details['backend'] or ''} job {details['job_id'] or 'not known yet'}"
    states = [details["backend_state"], details["reason"], _exit_words(details["exit_code"])]
    origin = [details["user"], details["host"], details["base_dir"]]
    return [
        ("run", details["run_id"]),
        ("overrides", visible_line(details["title"])),
        ("status", details["status"] + kind),
        ("problem", details["problem"] or ""),
        ("job", ", ".join(filter(None, [job, *states])) if details["backend"] else ""),
        ("nodes", details["nodes"] or ""),
        ("starts", details["estimated_start"] or ""),
        ("attempt", str(details["attempt"] or "")),
        ("note", details["note"] or ""),
        ("created", render_time(created) if created else ""),
        ("from", " ".join(filter(None, origin))),
        ("code", visible_line(edited)),
        ("metrics", ", ".join(metrics)),
        ("checkpoint", visible_line(result["checkpoint_path"] or "")),
    ]


def _use_lines(details: dict[str, Any]) -> list[str]:
    from tmgg.console.used_words import use_lines
    from tmgg.experiment_utils.sampling.used import RunUse

    if details["used"] is None:
        return []
    use = RunUse.from_json(details["used"])
    return [*use_lines(use, starts=details["attempt"] or 1), *details["advice"]]


def _exit_words(exit_code: str | None) -> str:
    return f"exit code {exit_code}" if exit_code else ""


def _timeline_line(mark: dict[str, Any]) -> str:
    from tmgg.console.durations import render_time

    host = f" ({mark['host']})" if mark["host"] else ""
    return f"{render_time(mark['at'])}  {mark['seconds']:+9.1f} s  {mark['words']}{host}"


def _refusal_lines(details: dict[str, Any]) -> list[str]:
    from tmgg.console.durations import render_time

    refused = details["refused_retry"]
    return [
        render_time(refused["at"]),
        *refused["message"].splitlines(),
        *_change_lines(refused["changes"]),
    ]


def _submission_lines(item: dict[str, Any]) -> list[str]:
    unfinished = "given up before it began" if item["given_up"] else "goes on"
    outcome = item["failure_kind"] or item["status"] or unfinished
    return [
        f"{item['number']}: job {item['job_id'] or 'none'}, {outcome}",
        *_change_lines(item["changes"]),
    ]


def _change_lines(changes: list[dict[str, Any]]) -> list[str]:
    return [f"   {each['what']}: {each['before']} -> {each['after']}" for each in changes]


def _block(title: str, lines: list[str]) -> str:
    return "\n".join([f"\n{title}", *(f"  {line}" for line in lines)]) if lines else ""
