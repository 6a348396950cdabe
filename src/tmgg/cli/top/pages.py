"""The tables and the page of a run, as columns and lines. Reads only the run's own files."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tmgg.cli.list_columns import run_columns, sweep_columns
from tmgg.cli.run_details import describe
from tmgg.cli.top.snapshot import ShownGroup, ShownRun
from tmgg.console.column_choice import tell_apart
from tmgg.console.durations import render_time
from tmgg.console.numbers import render_number
from tmgg.console.sweep_table import columns_of_titles
from tmgg.console.tables import Column
from tmgg.console.visible import visible, visible_line

METRICS_SHOWN = 200


def group_columns(groups: Sequence[ShownGroup]) -> list[Column]:
    """A row for each sweep, and one row for all runs without a sweep."""
    columns = sweep_columns([group.listed for group in groups if group.listed is not None])
    if not any(group.listed is None for group in groups):
        return columns
    alone = next(group for group in groups if group.listed is None)
    own = {"sweep": "(none)", **_counts(alone)}
    return [
        Column(
            name=column.name,
            cells=[*column.cells, own.get(column.name, "")],
            rank=column.rank,
            short=None if column.short is None else [*column.short, own.get(column.name, "")],
            is_number=column.is_number,
        )
        for column in columns
    ]


def runs_columns(group: ShownGroup) -> list[Column]:
    """A row for each run, with what distinguishes it."""
    run, *others = run_columns([(each.known, each.found) for each in group.runs])
    titles = [group.titles.get(each.known.paths, "") for each in group.runs]
    own = columns_of_titles(titles) if any(titles) else []
    return tell_apart([run, *own, *others])


def _counts(group: ShownGroup) -> dict[str, str]:
    count = Counter(run.state.status for run in group.runs if run.state is not None)
    names = {"done": "completed", "failed": "failed", "running": "running", "pending": "pending"}
    return {name: str(count[status] or "") for name, status in names.items()}  # type: ignore[index]


def run_page(run: ShownRun) -> dict[str, str]:
    """`head`, `timeline` and `metrics` of a run. Reads its files."""
    details = describe(run.known, run.found)
    return {
        "head": _head(details),
        "timeline": visible("\n".join(_timeline(details)) or "nothing is on record yet"),
        "metrics": "\n".join(_metrics(details)) or "none yet",
    }


def _head(details: dict[str, Any]) -> str:
    failure = details["failure"]
    kind = f" ({failure['kind']})" if failure else ""
    facts = [
        f"{details['status']}{kind}",
        f"{details['backend']} job {details['job_id']}" if details["job_id"] else "",
        f"attempt {details['attempt']}" if details["attempt"] else "",
        f"on {details['nodes']}" if details["nodes"] else "",
        details["reason"] if not details["final"] else "",
        details["note"],
        details["problem"],
    ]
    why = failure["message"].partition("\n")[0] if failure else ""
    lines = [details["run_id"], ", ".join(filter(None, facts)), why]
    return "\n".join(visible_line(line) for line in lines if line)


def _timeline(details: dict[str, Any]) -> list[str]:
    return [
        f"{render_time(mark['at'])}  {mark['seconds']:+8.1f} s  {mark['words']}"
        + (f" ({mark['host']})" if mark["host"] else "")
        for mark in details["timeline"]
    ]


def _metrics(details: dict[str, Any]) -> list[str]:
    metrics = (details["result"] or {"metrics": {}})["metrics"]
    names = list(metrics)[:METRICS_SHOWN]
    width = max(map(len, names), default=0)
    lines = [f"{visible_line(name):<{width}}  {render_number(metrics[name])}" for name in names]
    more = len(metrics) - len(names)
    return [*lines, f"and {more} more"] if more else lines
