"""Reads learning curves: what runs logged as CSV or for TensorBoard in their output folders.

A CSV has curves if it has a column of steps (`step`, `epoch`, ...) and other columns of numbers, as
Lightning's CSVLogger and many programs write it. Event files of TensorBoard are read by
TensorBoard's own reader, if it is installed.
"""

import csv
import importlib.util
import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.errors import ForeignFileError
from tmgg.report.curve_files import CurveFiles, attempts_of, read_table
from tmgg.report.model import Curve

STEPS = ("step", "global_step", "iteration", "iter", "epoch", "trainer/global_step")
"""Names of columns of steps, the preferred ones first."""
MOST_POINTS = 120
MOST_CURVES = 40


def has_event_reader() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


def read_curves(files: CurveFiles, first: str = "") -> list[Curve]:
    """At most MOST_CURVES curves, thinned; the curve with the name `first` comes first.

    Of two curves with the same name, the one with more points counts.
    """
    found: dict[str, Curve] = {}
    for curve in _read_all(files):
        known = found.get(curve.name)
        if known is None or len(known.points) < len(curve.points):
            found[curve.name] = curve
    ordered = sorted(found.values(), key=lambda curve: curve.name != first)
    return [replace(curve, points=thin(curve.points)) for curve in ordered[:MOST_CURVES]]


def parse_table(text: str) -> list[Curve]:
    """The curves in a CSV, with all points; empty if it has no column of steps. Pure.

    A last line without a newline is left out: it is still being written, so numbers may be cut.
    """
    try:
        rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
    except csv.Error:
        return []
    header = rows[0] if rows else []
    step = next((header.index(name) for name in STEPS if name in header), None)
    if step is None:
        return []
    return [
        Curve(name, points)
        for column, name in enumerate(header)
        if name and name not in STEPS
        for points in [_points(rows[1:], step, column)]
        if _count(points) > 0
    ]


def join_attempts(attempts: Iterable[Sequence[Curve]]) -> list[Curve]:
    """The curves of a run that was started several times, joined. Pure.

    A later attempt resumes from what was saved, so it replaces later points of earlier attempts.
    """
    found: dict[str, Curve] = {}
    for curve in (curve for curves in attempts for curve in curves):
        known = found.get(curve.name)
        begin = curve.points[0][0]
        kept = [] if known is None else [point for point in known.points if point[0] < begin]
        is_sampled = curve.is_sampled or (known is not None and known.is_sampled)
        found[curve.name] = Curve(curve.name, [*kept, *curve.points], is_sampled)
    return list(found.values())


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS of the points, with the first and the last. Pure."""
    if len(points) <= MOST_POINTS:
        return list(points)
    stride = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(k * stride)] for k in range(MOST_POINTS)]


def _points(rows: Sequence[Sequence[str]], step: int, column: int) -> list[tuple[float, float]]:
    found = []
    for row in rows:
        if len(row) > max(step, column) and row[column] and row[step]:
            at, value = _number(row[step]), _number(row[column])
            if at is not None and value is not None and math.isfinite(at):
                found.append((at, value if math.isfinite(value) else math.nan))
    found.sort(key=lambda point: point[0])
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _count(points: Sequence[tuple[float, float]]) -> int:
    return sum(math.isfinite(value) for _step, value in points)


def _read_all(files: CurveFiles) -> Iterator[Curve]:
    yield from _joined(files.tables, _read_table)
    if has_event_reader():
        yield from _joined(files.events, lambda folder: list(_read_events(folder)))


def _joined(paths: Sequence[Path], read: Callable[[Path], list[Curve]]) -> Iterator[Curve]:
    for attempts in attempts_of(paths):
        joined = join_attempts(map(read, attempts))
        yield from (curve for curve in joined if _count(curve.points) > 1)


def _read_table(path: Path) -> list[Curve]:
    try:
        text, is_part = read_table(path)
    except (ForeignFileError, OSError):
        return []
    return [replace(curve, is_sampled=is_part) for curve in parse_table(text)]


def _read_events(folder: Path) -> Iterator[Curve]:
    # The import takes a second, so only if there are event files.
    from tensorboard.backend.event_processing.event_accumulator import (
        SCALARS,
        TENSORS,
        EventAccumulator,
    )

    try:
        events = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 1})
        events.Reload()
        for name in events.Tags()[SCALARS]:
            points = [(float(event.step), float(event.value)) for event in events.Scalars(name)]
            if _count(points) > 0:
                yield Curve(str(name), points)
    except Exception:  # a damaged file may raise any error
        return
