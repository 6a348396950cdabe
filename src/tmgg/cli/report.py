"""What came of runs, for people: tables on standard output, failures on standard error."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tmgg.cli.live import render_duration
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


def print_sweep(
    numbers: Sequence[int], titles: Sequence[str], results: Sequence[ExperimentResult]
) -> None:
    """A row for each run, then what the failed ones say."""
    names = list(dict.fromkeys(name for result in results for name in result.metrics))
    table = _table("#", "overrides", "status", "time", *names, "run")
    for number, title, result in zip(numbers, titles, results, strict=True):
        status = result.failure.kind if result.failure else result.status
        values = [
            render_number(result.metrics[name]) if name in result.metrics else "" for name in names
        ]
        duration = render_duration(result.duration_seconds)
        table.add_row(str(number), title, status, duration, *values, result.run_id)
    _console().print(table)
    _print_failures(titles, results)


def render_number(value: float) -> str:
    """Six significant digits; whole numbers and truth values whole."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_failures(titles: Sequence[str], results: Sequence[ExperimentResult]) -> None:
    failed = [
        (title, result)
        for title, result in zip(titles, results, strict=True)
        if result.status == "failed"
    ]
    for title, result in failed[:FAILURES_SHOWN]:
        print_failure(result, title=title)
    if failed:
        more = len(failed) - FAILURES_SHOWN
        told = f"; {more} of them not shown above" if more > 0 else ""
        _print(_console(stderr=True), f"{len(failed)} of {len(results)} runs failed{told}")


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
