"""What came of runs, for people: tables on standard output, failures on standard error."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tmgg.cli.ranking import Ranking
from tmgg.cli.sweep_summary import SweepRow, best_of, sort_rows
from tmgg.cli.time_words import render_duration
from tmgg.experiment_utils.cloud.runs import ExperimentResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Wide enough that a pipe or a log file gets no wrapped numbers.
WIDTH_WITHOUT_TERMINAL = 200
FAILURES_SHOWN = 10


def print_metrics(metrics: Mapping[str, float], places: Mapping[str, str | None]) -> None:
    """One run's metrics, then where everything was written (`places`: what, path)."""
    console = _console()
    if metrics:
        table = _table("metric", "value")
        for name, value in metrics.items():
            table.add_row(name, render_number(value))
        console.print(table)
    for what, path in places.items():
        if path:
            _print(console, f"{what}: {path}")


def print_failure(result: ExperimentResult, *, title: str = "") -> None:
    """What happened, what to do, and where to read more."""
    console = _console(stderr=True)
    kind = f" ({result.failure.kind})" if result.failure else ""
    _print(console, f"run {result.run_id}{f' [{title}]' if title else ''} failed{kind}:")
    _print(console, result.error_message or "no reason is known")
    if result.output_path:
        _print(console, f"log: {result.output_path}")
        _print(console, f"errors: {result.output_path.removesuffix('.out')}.err")


def print_sweep(rows: Sequence[SweepRow], ranking: Ranking) -> None:
    """A row for each run, the best first if a metric was chosen; then what failed ones say."""
    names = list(dict.fromkeys(name for row in rows for name in row.result.metrics))
    table = _table("#", "overrides", "status", "time", *names, "run")
    for row in sort_rows(rows, ranking):
        result = row.result
        values = [
            render_number(result.metrics[name]) if name in result.metrics else "" for name in names
        ]
        table.add_row(
            str(row.number),
            row.title,
            result.failure.kind if result.failure else result.status,
            render_duration(result.duration_seconds),
            *values,
            result.run_id,
        )
    _console().print(table)
    best = best_of(rows, ranking)
    if best is not None and len(rows) > 1:
        value = render_number(best.result.metrics[ranking.name])
        _print(_console(), f"best {ranking.name}: {value} (#{best.number} {best.title})")
    _print_failures(rows)


def render_number(value: float) -> str:
    """Six significant digits; whole numbers and truth values whole."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_failures(rows: Sequence[SweepRow]) -> None:
    failed = [row for row in rows if row.result.status == "failed"]
    for row in failed[:FAILURES_SHOWN]:
        print_failure(row.result, title=row.title)
    if failed:
        more = len(failed) - FAILURES_SHOWN
        told = f"; {more} of them not shown above" if more > 0 else ""
        _print(_console(stderr=True), f"{len(failed)} of {len(rows)} runs failed{told}")


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console  # a tenth of a second; only what prints pays it

    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    return console


def _print(console: "Console", text: str) -> None:
    # Paths and tracebacks are for copying: no markup, no colours, no added line breaks.
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(*columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for name in columns:
        table.add_column(name, justify="left" if name in _TEXT_COLUMNS else "right")
    return table


_TEXT_COLUMNS = ("metric", "overrides", "status", "run")
