"""What came of a sweep, for programs: as CSV, as JSON and, where pyarrow is, as Parquet."""

import csv
import importlib.util
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tmgg.cli.printing import as_strict_json
from tmgg.cli.ranking import Ranking
from tmgg.experiment_utils.atomic_file import JsonDict, write_atomic
from tmgg.experiment_utils.cloud.runs import ExperimentResult

FILE_NAME = "sweep_summary"
METRIC_PREFIX = "metrics."
READABLE = 0o644
SUMMARY_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRow:
    """One run of a sweep and what came of it."""

    number: int
    title: str
    """In what it differs from its siblings: the overrides, in a multirun."""
    result: ExperimentResult


def best_of(rows: Sequence[SweepRow], ranking: Ranking) -> SweepRow | None:
    """The best run that completed; None when none has the metric."""
    ranked = [row for row in rows if ranking.value(row.result.metrics) is not None]
    done = [row for row in ranked if row.result.status == "completed"]
    return min(done, key=lambda row: ranking.key(row.result.metrics), default=None)


def sort_rows(rows: Sequence[SweepRow], ranking: Ranking) -> list[SweepRow]:
    """The best first when a metric was chosen, else by number."""
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
        "runs": [{"number": row.number, "title": row.title, **asdict(row.result)} for row in rows],
    }
    return json.dumps(as_strict_json(document), indent=1, allow_nan=False) + "\n"


def render_csv(rows: Sequence[SweepRow]) -> str:
    """A line for each run, a column for each metric. Pure."""
    flat = flatten(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(flat[0]) if flat else ["number"])
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def flatten(rows: Sequence[SweepRow]) -> list[JsonDict]:
    """The rows with the same columns in each; None where a run has no such metric."""
    names = list(dict.fromkeys(name for row in rows for name in row.result.metrics))
    return [_flat(row, names) for row in rows]


def save_summary(rows: Sequence[SweepRow], ranking: Ranking, folder: Path) -> list[Path]:
    """Write the files; those written. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "csv": render_csv(rows).encode(),
        "json": render_json(rows, ranking).encode(),
    }
    if importlib.util.find_spec("pyarrow") is not None:
        files["parquet"] = _parquet(flatten(rows))
    paths = {folder / f"{FILE_NAME}.{suffix}": data for suffix, data in files.items()}
    for path, data in paths.items():
        write_atomic(path, data, mode=READABLE)
    return list(paths)


def _flat(row: SweepRow, metrics: Sequence[str]) -> JsonDict:
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
        "checkpoint_path": result.checkpoint_path,
        "error_message": result.error_message,
        **{f"{METRIC_PREFIX}{name}": result.metrics.get(name) for name in metrics},
    }


def _parquet(flat: Sequence[JsonDict]) -> bytes:
    # A quarter of a second to import, for those who have it.
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, Any] = {
        name: [row[name] for row in flat] for name in (flat[0] if flat else {})
    }
    arrays = {
        name: pyarrow.array(
            [None if value is None else float(value) for value in values]
            if name.startswith(METRIC_PREFIX)
            else values,
            type=_TYPES.get(name, "float64" if name.startswith(METRIC_PREFIX) else "string"),
        )
        for name, values in columns.items()
    }
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(arrays), sink)
    return sink.getvalue()


_TYPES = {"number": "int64", "attempts": "int64", "duration_seconds": "float64"}
