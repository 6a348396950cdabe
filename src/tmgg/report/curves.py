"""Learning curves: what runs logged as CSV or for TensorBoard in their output folders.

A CSV holds curves when it has a column of steps (`step`, `epoch`, ...) and others of numbers, as
Lightning's CSVLogger and many programs write it. Event files of TensorBoard are read by
TensorBoard's own reader, where it is installed.
"""

import csv
import importlib.util
import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import ForeignFileError
from tmgg.experiment_utils.files.trust import open_trusted
from tmgg.report.model import Curve

STEPS = ("step", "global_step", "iteration", "iter", "epoch", "trainer/global_step")
"""Names of columns by which curves go on, the better ones first."""
MOST_POINTS = 120
MOST_CURVES = 40
_MOST_BYTES = 4 << 20
_MOST_ENTRIES = 400
_DEEPEST = 5
_EVENTS = "events.out.tfevents."
_NEVER = {"checkpoints", ".git", ".hydra", "__pycache__", "wandb"}


@dataclass(frozen=True, slots=True)
class CurveFiles:
    """The files of one run that may hold curves."""

    tables: Sequence[Path]
    events: Sequence[Path]
    """Folders with event files of TensorBoard."""


def has_event_reader() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


def find_curve_files(folders: Sequence[Path]) -> CurveFiles:
    """Looks at a bounded part of what is below the folders; what cannot be seen is not there."""
    tables: list[Path] = []
    events: list[Path] = []
    for folder in folders:
        for path in _files_below(folder):
            if path.name.startswith(_EVENTS):
                events.append(path.parent)
            elif path.suffix == ".csv":
                tables.append(path)
    return CurveFiles(sorted(tables), sorted(set(events)))


def read_curves(files: CurveFiles) -> list[Curve]:
    """At most so many; of two of one name the one with more points counts."""
    found: dict[str, Curve] = {}
    for curve in _read_all(files):
        known = found.get(curve.name)
        if known is None or len(known.points) < len(curve.points):
            found[curve.name] = curve
    return list(found.values())[:MOST_CURVES]


def parse_table(text: str) -> list[Curve]:
    """The curves in a CSV; none where it has no column of steps. Pure."""
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error:
        return []
    header = rows[0] if rows else []
    step = next((header.index(name) for name in STEPS if name in header), None)
    if step is None:
        return []
    return [
        Curve(name, thin(points))
        for column, name in enumerate(header)
        if name and name not in STEPS
        for points in [_points(rows[1:], step, column)]
        if _has_a_line(points)
    ]


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most so many of them, the first and the last among them. Pure."""
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


def _has_a_line(points: Sequence[tuple[float, float]]) -> bool:
    return sum(math.isfinite(value) for _step, value in points) > 1


def _read_all(files: CurveFiles) -> Iterator[Curve]:
    for path in files.tables:
        try:
            with open_trusted(path) as stream:
                text = stream.read(_MOST_BYTES).decode(errors="replace")
        except (ForeignFileError, OSError):
            continue
        yield from parse_table(text)
    if files.events and has_event_reader():
        for folder in files.events:
            yield from _read_events(folder)


def _read_events(folder: Path) -> Iterator[Curve]:
    # A second to import, for those who log for it.
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
            if _has_a_line(points):
                yield Curve(str(name), thin(points))
    except Exception:  # of any kind, for a damaged file
        return


def _files_below(folder: Path) -> Iterator[Path]:
    left = _MOST_ENTRIES
    frontier = [(folder, 0)]
    while frontier and left > 0:
        place, depth = frontier.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    left -= 1
                    if left <= 0:
                        break
                    if entry.is_file(follow_symlinks=False):
                        yield Path(entry.path)
                    elif (
                        entry.is_dir(follow_symlinks=False)
                        and depth < _DEEPEST
                        and entry.name not in _NEVER
                    ):
                        frontier.append((Path(entry.path), depth + 1))
        except OSError:
            continue
