"""The table of a page: a row for each run, which the page's script sorts and filters. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmgg.console.column_choice import names_apart
from tmgg.console.durations import render_duration
from tmgg.console.numbers import render_numbers
from tmgg.console.overrides import short_names, typed, varying
from tmgg.console.sweep_summary import METRIC_PREFIX, OVERRIDE_PREFIX
from tmgg.console.sweep_table import short_ids
from tmgg.console.visible import visible_line
from tmgg.experiment_utils.sampling.sizes import render_bytes
from tmgg.report.drawing import escaped
from tmgg.report.model import Report, ReportRun

_WORDS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class _Cell:
    shown: str
    value: str | float | None = None
    """The value for sorting; None if it is the text that is shown."""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: Sequence[_Cell]
    is_number: bool = False
    full: str = ""
    """Its name in the files of a sweep's summary; see `names_apart`."""


def render_table(report: Report, best: str | None) -> str:
    """The table as HTML; the row of the run `best` is marked."""
    columns = [column for column in _columns(report) if any(cell.shown for cell in column.cells)]
    names = names_apart([(column.name, column.full) for column in columns])
    heads = "".join(
        _head(name, is_number=column.is_number) for name, column in zip(names, columns, strict=True)
    )
    rows = "".join(
        _row(run, [(column, column.cells[place]) for column in columns], run.run_id == best)
        for place, run in enumerate(report.runs)
    )
    return (
        f"{_tools(report)}<div class='scroll' tabindex='0'><table id='runs'>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _tools(report: Report) -> str:
    statuses = dict.fromkeys(run.status for run in report.runs)
    options = "".join(f"<option>{escaped(status)}</option>" for status in statuses)
    return (
        "<div class='tools'><input id='filter' type='search' placeholder='Filter: words, all of "
        "which a run has' aria-label='Filter'><select id='status' aria-label='Status'><option "
        f"value=''>any status</option>{options}</select><span id='count' class='faint' "
        f"aria-live='polite'>{len(report.runs)} runs</span></div>"
    )


def _columns(report: Report) -> list[_Column]:
    runs = report.runs
    ids = [run.run_id for run in runs]
    shown = short_ids(ids) or ids
    return [
        _Column("#", [_Cell(str(place)) for place in range(len(runs))], is_number=True),
        _Column("run", [_Cell(*pair) for pair in zip(shown, ids, strict=True)]),
        *_override_columns(runs),
        _Column("status", [_Cell(run.status, kind=f"status-{run.status}") for run in runs]),
        _Column("failure", [_Cell(run.failure.kind if run.failure else "") for run in runs]),
        *_metric_columns(report),
        _Column("time", [_duration(run.duration_s) for run in runs], is_number=True),
        *_use_columns(runs),
        _Column("attempts", [_attempts(run) for run in runs], is_number=True),
    ]


def _override_columns(runs: Sequence[ReportRun]) -> list[_Column]:
    if not all(run.overrides for run in runs):
        return [_Column("overrides", [_words(run.title) for run in runs])]
    keys = varying([run.overrides for run in runs])
    names = short_names(keys)
    return [
        _Column(
            names[key],
            [_words(run.overrides.get(key, "")) for run in runs],
            full=f"{OVERRIDE_PREFIX}{key}",
        )
        for key in keys
    ]


def _metric_columns(report: Report) -> list[_Column]:
    names = list(dict.fromkeys(name for run in report.runs for name in run.metrics))
    names.sort(key=lambda name: name != report.ranking.name)
    return [
        _Column(
            name,
            _metrics([run.metrics.get(name) for run in report.runs]),
            is_number=True,
            full=f"{METRIC_PREFIX}{name}",
        )
        for name in names
    ]


def _use_columns(runs: Sequence[ReportRun]) -> list[_Column]:
    uses = [run.used for run in runs]
    cells = {
        "CPU cores": [_Cell(f"{use.cpu_cores_mean:.2g}") if use else _Cell("") for use in uses],
        "memory": [_bytes(use.memory_peak_bytes if use else None) for use in uses],
        "GPU busy": [_percent(use.gpu_busy_mean_percent if use else None) for use in uses],
        "GPU memory": [_bytes(use.gpu_memory_peak_bytes if use else None) for use in uses],
    }
    return [_Column(name, each, is_number=True) for name, each in cells.items()]


def _metrics(values: Sequence[float | None]) -> list[_Cell]:
    return [
        _Cell("") if value is None else _Cell(shown, _plain(value))
        for shown, value in zip(render_numbers(values), values, strict=True)
    ]


def _plain(value: float) -> str:
    """The number as JavaScript reads it; empty for NaN."""
    try:
        number = float(value)
    except OverflowError:
        return str(value)
    return {"nan": "", "inf": "Infinity", "-inf": "-Infinity"}.get(str(number), str(number))


def _words(text: str) -> _Cell:
    value = typed(text)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _Cell(text, _plain(value) if is_number else text, "cut")  # type: ignore[arg-type]


def _duration(seconds: float) -> _Cell:
    return _Cell(render_duration(seconds), seconds) if seconds else _Cell("")


def _bytes(size: int | None) -> _Cell:
    return _Cell("") if size is None else _Cell(render_bytes(size), size)


def _percent(value: float | None) -> _Cell:
    return _Cell("") if value is None else _Cell(f"{value:.0f} %", value)


def _attempts(run: ReportRun) -> _Cell:
    return _Cell(str(run.attempts) if run.attempts > 1 else "")


def _head(name: str, *, is_number: bool) -> str:
    kind = " class='number'" if is_number else ""
    return f"<th{kind} scope='col'><button type='button'>{escaped(name)}</button></th>"


def _row(run: ReportRun, cells: Sequence[tuple[_Column, _Cell]], is_best: bool) -> str:
    inside = "".join(_data(column, cell) for column, cell in cells)
    best = " class='best'" if is_best else ""
    return f"<tr{best} data-status='{escaped(run.status)}'>{inside}</tr>"


def _data(column: _Column, cell: _Cell) -> str:
    kinds = " ".join(filter(None, ["number" if column.is_number else "", cell.kind]))
    kind = f" class='{escaped(kinds)}'" if kinds else ""
    value = "" if cell.value is None else f" data-v='{escaped(str(cell.value))}'"
    is_long = len(cell.shown) > _WORDS_SHOWN
    title = f" title='{escaped(visible_line(cell.shown))}'" if is_long else ""
    return f"<td{kind}{value}{title}>{escaped(cell.shown)}</td>"
