"""Durable records of sweeps: which runs they are, in what order, and of what content.

The record is written before the first run is submitted, so a sweep whose launcher died is still
one: any process finds its runs, and the same configs again are matched with them by content.
"""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tmgg.errors import RecordError
from tmgg.experiment_utils.atomic_file import JsonDict, read_json, write_atomic
from tmgg.experiment_utils.paths import LAYOUT_VERSION, SweepPaths
from tmgg.experiment_utils.records import parse_fields, parse_record

_OWNER_ONLY_FOLDER = 0o700
# They say who a run is and where its files are, not what it computes.
_NOT_CONTENT = ("run_id", "output_dir")


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRun:
    """One run of a sweep."""

    run_id: str
    key: str
    """What it computes; see `content_key`."""
    title: str = ""
    """In what it differs from its siblings, for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRecord:
    """The content of `.sweeps/<sweep_id>.json`."""

    sweep_id: str
    backend: str
    mode: str
    parallelism: int
    policy: JsonDict
    runs: list[SweepRun]
    """In the order of the configs."""
    created_at: float = field(default_factory=time.time)

    def to_json(self) -> JsonDict:
        return {"version": LAYOUT_VERSION, **asdict(self)}


def content_key(target: str, config: JsonDict) -> str:
    """A hash of what a run computes: its callable and its config, whatever it is called."""
    content = {name: value for name, value in config.items() if name not in _NOT_CONTENT}
    text = json.dumps([target, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def save_sweep(paths: SweepPaths, record: SweepRecord) -> None:
    """Write the record; runs that a sweep of this id had before stay in it. Raises OSError."""
    paths.record.parent.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY_FOLDER)
    earlier = load_sweep(paths)
    value = record.to_json()
    if earlier is not None:
        known = {run.run_id for run in record.runs}
        kept = [asdict(run) for run in earlier.runs if run.run_id not in known]
        value |= {"runs": [*kept, *value["runs"]], "created_at": earlier.created_at}
    # Without indents, which take Python's slow encoder: there may be thousands of runs.
    write_atomic(paths.record, (json.dumps(value) + "\n").encode())


def load_sweep(paths: SweepPaths) -> SweepRecord | None:
    """None when there is no record; raises RecordError when it is damaged."""
    value = read_json(paths.record)
    if value is None:
        return None
    what = str(paths.record)
    runs = value.get("runs")
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise RecordError(f"{what} has no list of runs")
    parsed = [parse_fields(SweepRun, run, what=f"a run in {what}") for run in runs]
    return parse_record(
        SweepRecord, value | {"runs": parsed}, what=what, newest_version=LAYOUT_VERSION
    )


def sweeps_in(output_dir: Path) -> list[str]:
    """The ids of the sweeps recorded in a folder, oldest first."""
    try:
        names = os.listdir(output_dir / SweepPaths.FOLDER_NAME)  # noqa: PTH208 - names only
    except OSError:
        return []
    return sorted(Path(name).stem for name in names if name.endswith(".json") and name[0] != ".")


def match_runs(records: Iterable[SweepRecord], keys: Sequence[str]) -> list[str | None]:
    """For each content the run that has it, of the newest sweep that does; None where none has.

    `records` are oldest first. Equal contents get different runs.
    """
    newest: dict[str, list[str]] = {}
    for record in records:
        found: dict[str, list[str]] = {}
        for run in record.runs:
            found.setdefault(run.key, []).append(run.run_id)
        newest |= found
    used: Counter[str] = Counter()
    matched: list[str | None] = []
    for key in keys:
        runs = newest.get(key, [])
        matched.append(runs[used[key]] if used[key] < len(runs) else None)
        used[key] += 1
    return matched
