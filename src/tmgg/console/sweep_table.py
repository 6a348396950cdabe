"""The table of a sweep: a row for each run; columns for what runs differ in, and results."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tmgg.console.durations import render_duration
from tmgg.console.numbers import render_numbers
from tmgg.console.overrides import Overrides, parse_title, short_names, varying
from tmgg.console.ranking import Ranking
from tmgg.console.run_names import short_id
from tmgg.console.sweep_summary import (
    CONFIG_PREFIX,
    METRIC_PREFIX,
    OVERRIDE_PREFIX,
    SweepRow,
    flat_config,
)
from tmgg.console.tables import NEVER_LEFT_OUT, Column
from tmgg.experiment_utils.files.looking import working_directory
from tmgg.experiment_utils.sampling.sizes import render_bytes

METRICS_SHOWN = 8
_OVERRIDES, _FAILURE, _NUMBER, _TIME, _METRICS = range(1, 6)
"""Columns with a greater rank are left out earlier."""


def overrides_columns(rows: Sequence[SweepRow]) -> list[Column]:
    """A column for each override that varies; one column of titles if they are other text."""
    return columns_of_titles([row.title for row in rows])


def columns_of_titles(titles: Sequence[str]) -> list[Column]:
    """The same for titles."""
    parsed = [parse_title(title) for title in titles]
    overrides = [each for each in parsed if each is not None]
    if len(overrides) < len(titles):
        return [Column(name="overrides", cells=titles, rank=_OVERRIDES)]
    return _columns_of(overrides)


def _columns_of(overrides: Sequence[Overrides]) -> list[Column]:
    keys = varying(overrides)
    names = short_names(keys)
    return [
        Column(
            name=names[key],
            full=f"{OVERRIDE_PREFIX}{key}",
            cells=_texts(overrides, key),
            rank=_OVERRIDES,
        )
        for key in keys
    ]


def other_columns(rows: Sequence[SweepRow]) -> list[Column]:
    """Columns that a table has only if the user asks: constant overrides, and the configs."""
    overrides = [parse_title(row.title) or {} for row in rows]
    keys = dict.fromkeys(key for each in overrides for key in each)
    constant = [key for key in keys if key not in varying(overrides)]
    configs = [flat_config(row) for row in rows]
    names = dict.fromkeys(f"{CONFIG_PREFIX}{name}" for config in configs for name in config)
    return [
        *(
            Column(name=key, full=f"{OVERRIDE_PREFIX}{key}", cells=_texts(overrides, key))
            for key in constant
        ),
        *(
            Column(name=name, full=name, cells=_texts(configs, name.removeprefix(CONFIG_PREFIX)))
            for name in names
        ),
    ]


def _texts(rows: Sequence[Mapping[str, str]], key: str) -> list[str]:
    return [row.get(key, "") for row in rows]


def metric_columns(
    rows: Sequence[SweepRow], names: Sequence[str], ranking: Ranking
) -> list[Column]:
    """The columns of metrics. The metric that ranks the runs comes first and is never left out."""
    ordered = sorted(names, key=lambda name: name != ranking.name)
    objective = next(iter(ordered), None)
    return [
        Column(
            name=name,
            full=f"{METRIC_PREFIX}{name}",
            cells=render_numbers([row.result.metrics.get(name) for row in rows]),
            rank=NEVER_LEFT_OUT if name == objective else _METRICS,
            is_number=True,
        )
        for name in ordered
    ]


def names_of_metrics(rows: Sequence[SweepRow]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.result.metrics))


def choose_metrics(names: Sequence[str], ranking: Ranking) -> list[str]:
    """The metrics in a sweep's table: the one that ranks the runs, and the first few others."""
    ranked = [name for name in names if name == ranking.name]
    others = [name for name in names if name != ranking.name]
    return [*ranked, *others[: METRICS_SHOWN - len(ranked)]]


def number_column(rows: Sequence[SweepRow]) -> Column:
    return Column(name="#", cells=[str(row.number) for row in rows], rank=_NUMBER, is_number=True)


def time_column(rows: Sequence[SweepRow]) -> Column:
    seconds = [row.result.duration_seconds for row in rows]
    times = ["" if each is None else render_duration(each) for each in seconds]
    return Column(name="time", cells=times, rank=_TIME, is_number=True)


def failure_column(rows: Sequence[SweepRow]) -> Column:
    failures = [row.result.failure for row in rows]
    kinds = [failure.kind if failure else "" for failure in failures]
    return Column(name="failure", cells=kinds, rank=_FAILURE)


def use_columns(rows: Sequence[SweepRow]) -> list[Column]:
    """What runs used, for users who name these columns; empty if nothing was sampled."""
    uses = [row.result.used for row in rows]
    if all(use is None for use in uses):
        return []
    cells: dict[str, list[str]] = {
        "cpu_cores": ["" if use is None else f"{use.cpu_cores_mean:.3g}" for use in uses],
        "memory": ["" if use is None else render_bytes(use.memory_peak_bytes) for use in uses],
        "gpu_busy": ["" if use is None else _percent(use.gpu_busy_mean_percent) for use in uses],
        "gpu_memory": ["" if use is None else _bytes(use.gpu_memory_peak_bytes) for use in uses],
    }
    return [
        Column(name=name, cells=each, rank=_METRICS, is_number=True)
        for name, each in cells.items()
        if any(each)
    ]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} %"


def _bytes(value: int | None) -> str:
    return "" if value is None else render_bytes(value)


def folder_columns(rows: Sequence[SweepRow]) -> list[Column]:
    """The folders of runs whose files are in another sweep's folder; empty if there are none."""
    if not any(row.is_elsewhere for row in rows):
        return []
    cells = [_nearby(row.result.folder or "") if row.is_elsewhere else "" for row in rows]
    return [Column(name="files in", full="folder", cells=cells, rank=_METRICS)]


def _nearby(folder: str) -> str:
    here = working_directory()
    if here is None or not Path(folder).is_relative_to(here):
        return folder
    return str(Path(folder).relative_to(here))


def run_column(rows: Sequence[SweepRow]) -> Column:
    """The names of runs; if they have no room, without date and time."""
    names = [row.shown_name for row in rows]
    return Column(name="run", cells=names, short=short_ids(names))


def short_ids(run_ids: Sequence[str]) -> list[str] | None:
    """`9f2c01ab-0` for `20261123-141503-9f2c01ab-0`; None if two short ids would be the same."""
    short = [short_id(run_id) for run_id in run_ids]
    return short if len({*short}) == len({*run_ids}) else None


def render_metric(row: SweepRow, rows: Sequence[SweepRow], name: str) -> str:
    """A run's value of a metric, with as many digits as in the column of all rows."""
    others = [each.result.metrics.get(name) for each in rows]
    return render_numbers([row.result.metrics[name], *others])[0]
