"""Durable records of sweeps: which runs they are, in what order, and of what content.

The record is written before the first run is submitted, so a sweep whose launcher died is still
one: any process finds its runs, and the same configs again are matched with them by content.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_atomic
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.identity.run_identity import PLACE_KEYS
from tmgg.experiment_utils.run_folder.output_folder import prepare_output_dir
from tmgg.experiment_utils.run_folder.paths import LAYOUT_VERSION, RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.records import parse_fields, parse_record, shallow
from tmgg.experiment_utils.run_folder.sharing import mode_for_team


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRun:
    """One run of a sweep."""

    run_id: str
    key: str
    """What it computes; see `identity`, and `old_key` where there is no program."""
    title: str = ""
    """In what it differs from its siblings, for people."""
    as_written: JsonDict = field(default_factory=dict)
    """By dotted key: what a summary shows for values that come from the environment."""
    program: str = ""
    """Whose run it is; empty in the records of an older TMGG, whose keys do not tell that."""
    sweep_folder: str = ""
    """`hydra.sweep.dir` of the launch that made it; empty for other runs, and in older records."""


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
    name: str = ""
    """What people call it; several sweeps may have one name."""
    metric: str = ""
    """The metric that ranks its runs; empty where none was chosen."""
    metric_mode: str = "min"
    created_at: float = field(default_factory=time.time)

    def to_json(self) -> JsonDict:
        # Not asdict: there may be thousands of runs.
        runs = [shallow(run) for run in self.runs]
        return {"version": LAYOUT_VERSION, **shallow(self), "runs": runs}


_SWEEP_RUN = re.compile(r"(?P<sweep>\d{8}-\d{6}-[0-9a-f]{8})-\d+")


def sweep_of(run_id: str) -> str | None:
    """The sweep a run belongs to, by its id: the launcher names a sweep's runs SWEEP-0, SWEEP-1."""
    found = _SWEEP_RUN.fullmatch(run_id)
    return found["sweep"] if found else None


def sweep_paths_of(run: RunPaths) -> SweepPaths | None:
    """Where the sweep of a run is, by the run's id as in `sweep_of`. Pure."""
    sweep_id = sweep_of(run.run_id)
    return None if sweep_id is None else SweepPaths(run.output_dir, sweep_id)


def sweep_of_all(run_ids: Sequence[str], *, without: Collection[str] = ()) -> str | None:
    """The sweep of the new runs, or of all where none is new; None where they are of several.

    `without` are those that are not new.
    """
    new = [run_id for run_id in run_ids if run_id not in without]
    sweeps = {sweep_of(run_id) for run_id in new or run_ids}
    return sweeps.pop() if len(sweeps) == 1 else None


def old_key(target: str, config: JsonDict) -> str:
    """The key of a run in the records of an older TMGG: its callable and its config, no more."""
    content = {name: value for name, value in config.items() if name not in PLACE_KEYS}
    text = json.dumps([target, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def save_sweep(paths: SweepPaths, record: SweepRecord) -> None:
    """Write the record; runs that a sweep of this id had before stay in it. Raises OSError."""
    prepare_output_dir(paths.output_dir, [SweepPaths.FOLDER_NAME])
    earlier = load_sweep(paths)
    value = record.to_json()
    if earlier is not None:
        known = {run.run_id for run in record.runs}
        kept = [shallow(run) for run in earlier.runs if run.run_id not in known]
        value |= {"runs": [*kept, *value["runs"]], "created_at": earlier.created_at}
        value["name"] = record.name or earlier.name
    # Without indents, which take Python's slow encoder: there may be thousands of runs.
    write_atomic(paths.record, (json.dumps(value) + "\n").encode(), mode=mode_for_team())


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
    """The ids of the sweeps recorded in a folder, oldest first. Raises OSError."""
    try:
        names = os.listdir(output_dir / SweepPaths.FOLDER_NAME)  # noqa: PTH208 - names only
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(Path(name).stem for name in names if name.endswith(".json") and name[0] != ".")


def match_runs(records: Iterable[SweepRecord], keys: Sequence[str]) -> list[str | None]:
    """The run with each content, of the newest sweep that has it; None where none has.

    `records` are oldest first. Equal contents get different runs: where the newest sweep has too
    few, those of the sweeps before it.
    """
    known: dict[str, dict[str, None]] = {}
    for record in reversed(list(records)):
        for run in record.runs:
            known.setdefault(run.key, {}).setdefault(run.run_id)
    left = {key: iter(runs) for key, runs in known.items()}
    return [next(left.get(key, iter(())), None) for key in keys]
