"""The results of a sweep for programs: CSV, JSON and, if pyarrow is installed, Parquet."""

import csv
import importlib.util
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tmgg.console.overrides import parse_title, typed
from tmgg.console.printing import as_strict_json
from tmgg.console.ranking import Ranking
from tmgg.console.visible import visible
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic

log = logging.getLogger(__name__)

FILE_NAME = "sweep_summary"
METRIC_PREFIX = "metrics."
OVERRIDE_PREFIX = "overrides."
CONFIG_PREFIX = "config."
USE_PREFIX = "used."
USE_FIELDS = (
    "cpu_seconds", "cpu_cores_mean", "memory_mean_bytes", "memory_peak_bytes",
    "gpu_busy_mean_percent", "gpu_memory_peak_bytes",
)  # fmt: skip
READABLE = 0o644
# The parts of a key such as a.b[0].c
_STEP = re.compile(r"[^.\[\]]+")
SUMMARY_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRow:
    """One run of a sweep and its result."""

    number: int
    title: str
    """What distinguishes it from the other runs: in a multirun, the overrides."""
    result: ExperimentResult
    as_written: Mapping[str, str] = field(default_factory=dict)
    """For config values that come from the environment: the text to show instead, by dotted key."""
    is_elsewhere: bool = False
    """Whether its files are in the folder of another sweep."""
    name: str = ""
    """The run's name among the others; empty if the name is its id."""

    @property
    def shown_name(self) -> str:
        return self.name or self.result.run_id


def best_of(rows: Sequence[SweepRow], ranking: Ranking) -> SweepRow | None:
    """The best completed run; None if no completed run has the metric."""
    ranked = [row for row in rows if ranking.value(row.result.metrics) is not None]
    done = [row for row in ranked if row.result.status == "completed"]
    return min(done, key=lambda row: ranking.key(row.result.metrics), default=None)


def sort_rows(rows: Sequence[SweepRow], ranking: Ranking) -> list[SweepRow]:
    """Sort rows: the best first if a metric was chosen, otherwise by number."""
    if ranking.metric is None:
        return sorted(rows, key=lambda row: row.number)
    return sorted(rows, key=lambda row: (*ranking.key(row.result.metrics), row.number))


def render_json(rows: Sequence[SweepRow], ranking: Ranking) -> str:
    """The whole sweep as one document. Pure."""
    best = best_of(rows, ranking)
    document = {
        "version": SUMMARY_VERSION,
        "counts": dict(Counter(row.result.status for row in rows)),
        "failures": dict(
            Counter(row.result.failure.kind for row in rows if row.result.failure is not None)
        ),
        "metric": ranking.name,
        "metric_mode": ranking.mode,
        "best": best.result.run_id if best else None,
        "runs": [_public(row) for row in rows],
    }
    return json.dumps(as_strict_json(document), indent=1, allow_nan=False) + "\n"


def _public(row: SweepRow) -> JsonDict:
    """The row for other readers: without values from the environment, which may be secrets."""
    result = asdict(row.result) | {"config": _public_config(row)}
    return {"number": row.number, "title": row.title, "overrides": overrides_of(row), **result}


def _public_config(row: SweepRow) -> JsonDict:
    config = deepcopy(row.result.config)
    for key, text in row.as_written.items():
        _replace(config, _STEP.findall(key), text)
    return config


def flat_config(row: SweepRow) -> dict[str, str]:
    """The run's config as texts by dotted key, without secrets. Pure."""
    return dict(_leaves(_public_config(row), ""))


def _leaves(value: JsonDict, before: str) -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner if isinstance(inner, str) else json.dumps(inner)


def _replace(config: Any, steps: Sequence[str], text: str) -> None:
    """Put `text` where the steps lead. If they lead nowhere, there is no value to hide."""
    names: list[Any] = [int(step) if step.isdecimal() else step for step in steps]
    try:
        for name in names[:-1]:
            config = config[name]
        config[names[-1]] = text
    except (KeyError, IndexError, TypeError):
        return


def render_csv(rows: Sequence[SweepRow]) -> str:
    """A line for each run, a column for each metric; control characters are shown as text. Pure."""
    flat = [{visible(key): _visible(value) for key, value in row.items()} for row in flatten(rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(flat[0]) if flat else ["number"])
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _visible(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def flatten(rows: Sequence[SweepRow]) -> list[JsonDict]:
    """Rows with the same columns; None where a run does not have the metric or override."""
    names = list(dict.fromkeys(name for row in rows for name in row.result.metrics))
    overrides = [overrides_of(row) for row in rows]
    is_sampled = any(row.result.used is not None for row in rows)
    keys = list(dict.fromkeys(key for each in overrides for key in each))
    return [
        _flat(
            row,
            {key: each.get(key) for key in keys},
            names,
            use_of(row) if is_sampled else {},
        )
        for row, each in zip(rows, overrides, strict=True)
    ]


def overrides_of(row: SweepRow) -> JsonDict:
    """The overrides in the row's title, with typed values; empty for a title of other text."""
    return {key: typed(text) for key, text in (parse_title(row.title) or {}).items()}


def save_summary(rows: Sequence[SweepRow], ranking: Ranking, folder: Path) -> list[Path]:
    """Write the files, and return their paths. A file that cannot be written causes a warning.

    In Parquet, an integer that is too large for a float is null. Raises OSError if no file can be
    written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    renderers: dict[str, Callable[[], bytes]] = {
        "csv": lambda: render_csv(rows).encode(errors="backslashreplace"),
        "json": lambda: render_json(rows, ranking).encode(),
    }
    if importlib.util.find_spec("pyarrow") is not None:
        renderers["parquet"] = lambda: _parquet(flatten(rows))
    written: list[Path] = []
    problem: OSError | None = None
    for suffix, render in renderers.items():
        path = folder / f"{FILE_NAME}.{suffix}"
        try:
            write_atomic(path, render(), mode=READABLE)
            written.append(path)
        except Exception as error:  # any error of pyarrow or of a value: write the other files
            log.warning("%s cannot be written: %s", path, error)
            problem = error if isinstance(error, OSError) else problem
    if not written and problem is not None:
        raise problem
    return written


def use_of(row: SweepRow) -> JsonDict:
    """What the run used, by column; None for a value that was not sampled."""
    used = row.result.used
    return {f"{USE_PREFIX}{name}": getattr(used, name, None) for name in USE_FIELDS}


def _flat(row: SweepRow, overrides: JsonDict, metrics: Sequence[str], use: JsonDict) -> JsonDict:
    result = row.result
    return {
        "number": row.number,
        "run_id": result.run_id,
        "title": row.title,
        "status": result.status,
        "failure": result.failure.kind if result.failure else None,
        "duration_seconds": result.duration_seconds,
        "attempts": result.attempts,
        "job_id": result.job_id,
        "nodes": " ".join(result.nodes),
        "output_path": result.output_path,
        "folder": result.folder,
        "checkpoint_path": result.checkpoint_path,
        "error_message": result.error_message,
        **use,
        **{f"{OVERRIDE_PREFIX}{key}": value for key, value in overrides.items()},
        **{f"{METRIC_PREFIX}{name}": result.metrics.get(name) for name in metrics},
    }


def _parquet(flat: Sequence[JsonDict]) -> bytes:
    # The import takes a quarter of a second.
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, Any] = {
        name: [row[name] for row in flat] for name in (flat[0] if flat else {})
    }
    arrays = {}
    for name, values in columns.items():
        if name.startswith(METRIC_PREFIX) and (kind := _whole_kind(values)):
            arrays[name] = pyarrow.array(values, type=kind)
        elif name.startswith((METRIC_PREFIX, USE_PREFIX)):
            arrays[name] = pyarrow.array([_float(value) for value in values], type="float64")
        elif name.startswith(OVERRIDE_PREFIX):
            same, kind = _of_one_type(values)
            arrays[name] = pyarrow.array(same, type=kind)
        else:
            kind = _TYPES.get(name, "string")
            arrays[name] = pyarrow.array([_encodable(value) for value in values], type=kind)
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(arrays), sink)
    return sink.getvalue()


def _of_one_type(values: Sequence[Any]) -> tuple[list[Any], str]:
    """Overrides for a Parquet column, and its type; if their types differ, all become text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return list(values), "bool"
    if kind := _kind_of_integers(values):
        return list(values), kind
    if kinds and kinds <= {int, float} and all(map(_is_held_by_a_float, values)):
        return [_float(value) for value in values], "float64"
    return [None if value is None else _encodable(str(value)) for value in values], "string"


def _whole_kind(values: Sequence[Any]) -> str:
    """An integer type for a metric that fits it, but not floats; otherwise empty."""
    return "" if all(map(_is_held_by_a_float, values)) else _kind_of_integers(values)


def _kind_of_integers(values: Sequence[Any]) -> str:
    """The integer type that holds all values; empty if there is none."""
    known = [value for value in values if value is not None]
    if not known or {type(value) for value in known} != {int}:
        return ""
    least, greatest = min(known), max(known)
    if least >= -(1 << 63) and greatest < 1 << 63:
        return "int64"
    return "uint64" if least >= 0 and greatest < 1 << 64 else ""


def _is_held_by_a_float(value: Any) -> bool:
    return not isinstance(value, int) or _float(value) == value


def _float(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:  # the CSV and the JSON have the whole number
        return None


def _encodable(value: Any) -> Any:
    """Text with undecodable bytes, which overrides and errors may have, written as `\\xNN`."""
    if not isinstance(value, str):
        return value
    return value.encode(errors="backslashreplace").decode()


_TYPES = {"number": "int64", "attempts": "int64", "duration_seconds": "float64"}
