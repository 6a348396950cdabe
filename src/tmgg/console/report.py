"""The results of runs, for users: tables on standard output, failures on standard error."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tmgg.console import sweep_table
from tmgg.console.causes import group_by_cause, render_causes
from tmgg.console.column_choice import tell_apart
from tmgg.console.numbers import render_number
from tmgg.console.overrides import in_short
from tmgg.console.printing import forgive_stdout
from tmgg.console.ranking import Ranking
from tmgg.console.streams import answer_console, answering, console_of_words
from tmgg.console.sweep_summary import SweepRow, best_of, sort_rows
from tmgg.console.tables import Column, put_runs
from tmgg.console.visible import visible, visible_line
from tmgg.console.words import width_of_terminal, wrapped
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.run_folder.sweeps import sweep_of
from tmgg.experiment_utils.some_names import some_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# Wide enough that no numbers are wrapped in a pipe or a log file.
WIDTH_WITHOUT_TERMINAL = 200
FAILURES_SHOWN = 10
METRICS_OF_A_RUN_SHOWN = 100


def print_metrics(metrics: Mapping[str, float], places: Mapping[str, str | None]) -> None:
    """One run's metrics, then where everything was written (`places`: what, path)."""
    console = _console()
    if metrics:
        table = _table("metric", "value")
        for name in list(metrics)[:METRICS_OF_A_RUN_SHOWN]:
            table.add_row(plain(name), render_number(metrics[name]))
        with answering():
            console.print(table)
    _say_left_out(console, len(metrics) - METRICS_OF_A_RUN_SHOWN, "the result")
    for what, path in places.items():
        if path:
            _print(console, f"{what}: {path}")


def print_failure(result: ExperimentResult, *, title: str = "") -> None:
    """What happened, what to do, and where to read more."""
    console = _console(stderr=True)
    kind = f" ({result.failure.kind})" if result.failure else ""
    named = f" [{visible_line(title)}]" if title else ""
    _print(console, f"run {result.run_id}{named} failed{kind}:")
    _print(console, _with_hint_wrapped(result.error_message or "no reason is known"))
    if log := _log_of(result):
        _print(console, f"log: {log}")
        _print(console, f"errors: {log.removesuffix('.out')}.err")


def _with_hint_wrapped(message: str) -> str:
    # Only the hint is wrapped: the rest is a traceback, or other text that users may copy.
    words, mark, hint = message.partition("\nHINT: ")
    return f"{words}{wrapped(mark + hint, width_of_terminal(stderr=True))}"


def print_sweep(rows: Sequence[SweepRow], ranking: Ranking) -> None:
    """Print the failures by cause, then a row for each run, the best first if a metric was chosen.

    The table comes last, so that it stays on the screen after a launch.
    """
    named = _named_in_short(rows)
    _print_failures(named)
    if len(rows) == 1 and _is_refused(rows[0].result):
        return  # a table would only repeat this
    ordered = sort_rows(rows, ranking)
    all_names = sweep_table.names_of_metrics(rows)
    names = sweep_table.choose_metrics(all_names, ranking)
    columns = tell_apart(
        [
            sweep_table.number_column(ordered),
            *sweep_table.overrides_columns(ordered),
            _status_column(ordered),
            sweep_table.time_column(ordered),
            *sweep_table.metric_columns(ordered, names, ranking),
            sweep_table.run_column(ordered),
            *sweep_table.folder_columns(ordered),
        ]
    )
    more = len(all_names) - len(names)
    if line := put_runs(columns, how=_how_to_see(rows), more_metrics=more):
        _print(_console(), line)
    if line := render_best(named, ranking):
        _print(_console(), line)
    if line := render_elsewhere(ordered):
        _print(_console(), line)
    if line := ranking.absent_from(all_names):
        _print(_console(stderr=True), line)


def _is_refused(result: ExperimentResult) -> bool:
    """Whether the backend refused the run's job."""
    return result.failure is not None and result.failure.kind == "submission"


def render_best(rows: Sequence[SweepRow], ranking: Ranking) -> str:
    """Which run is the best; empty if no run has the metric, or there is only one run. Pure."""
    best = best_of(rows, ranking)
    if best is None or len(rows) < 2:
        return ""
    value = sweep_table.render_metric(best, rows, ranking.name)
    named = f"#{best.number} {visible_line(best.title)}".rstrip()
    return f"best {ranking.name}: {value} ({named})"


def render_elsewhere(rows: Sequence[SweepRow]) -> str:
    """How many runs' files are in other folders than the sweep's; empty if there are none. Pure."""
    folders = [row.result.folder or "" for row in rows if row.is_elsewhere]
    if not folders:
        return ""
    count = f"{len(folders)} of {len(rows)}"
    return f"files of {count} runs are in the folder of another sweep: {some_of(folders)}"


def _named_in_short(rows: Sequence[SweepRow]) -> list[SweepRow]:
    titles = in_short({place: row.title for place, row in enumerate(rows)})
    return [replace(row, title=titles[place]) for place, row in enumerate(rows)]


def _status_column(rows: Sequence[SweepRow]) -> Column:
    results = [row.result for row in rows]
    words = [result.failure.kind if result.failure else result.status for result in results]
    return Column(name="status", cells=words)


def _how_to_see(rows: Sequence[SweepRow]) -> str:
    sweeps = {sweep_of(row.result.run_id) for row in rows}
    name = sweeps.pop() if len(sweeps) == 1 else None
    # The last part of the sweep's id is enough to find it.
    return f"tmgg-jobs collect {name.rpartition('-')[2] if name else 'last'} --columns NAME,..."


def plain(text: str) -> "Text":
    """A cell of a table. Markup and control characters in `text` are shown, not interpreted."""
    from rich.text import Text  # see _console

    return Text(visible_line(text))


def _print_failures(rows: Sequence[SweepRow]) -> None:
    failed = [row for row in rows if row.result.status == "failed"]
    if len(rows) == 1 and failed:
        print_failure(failed[0].result, title=failed[0].title)
        return
    if failed:
        rendered = render_failures(failed, width=width_of_terminal(stderr=True))
        _print(_console(stderr=True), f"{rendered}\n")
        _print(_console(stderr=True), f"{len(failed)} of {len(rows)} runs failed")


def render_failures(rows: Sequence[SweepRow], *, width: int | None = None) -> str:
    """Failed runs by cause: each is named once; the first of a cause has its evidence. Pure."""
    results = [row.result for row in rows]
    rendered = render_causes(
        group_by_cause(results),
        [_named(row) for row in rows],
        shown=FAILURES_SHOWN,
        evidence=lambda place: _evidence(results[place]),
        width=width,
    )
    without = [row for row in rows if row.result.failure is None]
    others = [
        f"{_named(row)} failed: {row.result.error_message or 'no reason is known'}"
        for row in without[:FAILURES_SHOWN]
    ]
    if more := len(without) - len(others):
        others.append(f"and {more} more")
    return "\n\n".join(filter(None, [rendered, *others]))


def _named(row: SweepRow) -> str:
    title = f"{visible_line(row.title)}  " if row.title else ""
    return f"{title}run {row.shown_name}"


def _evidence(result: ExperimentResult) -> list[str]:
    """The lines of the message after the first, and the paths of the logs."""
    lines = result.failure.message.splitlines()[1:] if result.failure else []
    log = _log_of(result)
    return [*lines, f"log: {log} (and .err)"] if log else lines


def _log_of(result: ExperimentResult) -> str:
    """The path of the log; empty if there is none (the run was cancelled before it began)."""
    try:
        return result.output_path if result.output_path and is_there(result.output_path) else ""
    except OSError:
        return result.output_path or ""


def _say_left_out(console: "Console", number: int, where: str) -> None:
    if number > 0:
        _print(console, f"{number} more metrics are not shown; {where} has them")


def _console(*, stderr: bool = False) -> "Console":
    forgive_stdout()
    console = console_of_words() if stderr else answer_console()
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    return console


def _print(console: "Console", text: str) -> None:
    # Users copy paths and tracebacks: no markup, no colours, no added line breaks.
    with contextlib.suppress(OSError) if console.stderr else answering():
        console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


def _table(*columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for name in columns:
        table.add_column(plain(name), justify="left" if name in _TEXT_COLUMNS else "right")
    return table


_TEXT_COLUMNS = ("metric",)
