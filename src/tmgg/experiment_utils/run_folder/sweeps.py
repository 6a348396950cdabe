"""Durable records of sweeps: which runs they have, in what order, and the runs' keys.

The record is written before the first run is submitted, so a sweep survives the death of its
launcher: any process finds its runs. If the same configs are launched again, they are matched with
these runs by their keys.
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
    """Identifies what the run computes; see `identity`, or `old_key` if `program` is empty."""
    title: str = ""
    """How the run differs from the sweep's other runs, for display."""
    as_written: JsonDict = field(default_factory=dict)
    """By dotted key: what a summary shows for values that come from the environment."""
    program: str = ""
    """The program that the run executes; empty in the records of an older TMGG."""
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
    """The name that the user gave it; several sweeps may have the same name."""
    metric: str = ""
    """The metric that ranks its runs; empty if none was chosen."""
    metric_mode: str = "min"
    created_at: float = field(default_factory=time.time)

    def to_json(self) -> JsonDict:
        # Not asdict: there may be thousands of runs.
        runs = [shallow(run) for run in self.runs]
        return {"version": LAYOUT_VERSION, **shallow(self), "runs": runs}


_SWEEP_RUN = re.compile(r"(?P<sweep>\d{8}-\d{6}-[0-9a-f]{8})-\d+")


def sweep_of(run_id: str) -> str | None:
    """The sweep of a run, from its id: the launcher names a sweep's runs SWEEP-0, SWEEP-1.

    None if the id has another form.
    """
    found = _SWEEP_RUN.fullmatch(run_id)
    return found["sweep"] if found else None


def sweep_paths_of(run: RunPaths) -> SweepPaths | None:
    """The paths of the run's sweep, from the run's id as in `sweep_of`. Pure."""
    sweep_id = sweep_of(run.run_id)
    return None if sweep_id is None else SweepPaths(run.output_dir, sweep_id)


def sweep_of_all(run_ids: Sequence[str], *, without: Collection[str] = ()) -> str | None:
    """The sweep of the new runs (those not in `without`), or of all runs if none is new.

    None if they are of several sweeps, or of none.
    """
    new = [run_id for run_id in run_ids if run_id not in without]
    sweeps = {sweep_of(run_id) for run_id in new or run_ids}
    return sweeps.pop() if len(sweeps) == 1 else None


def old_key(target: str, config: JsonDict) -> str:
    """The key of a run in the records of an older TMGG: only from its callable and its config."""
    content = {name: value for name, value in config.items() if name not in PLACE_KEYS}
    text = json.dumps([target, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def save_sweep(paths: SweepPaths, record: SweepRecord) -> None:
    """Write the record. Runs of an earlier record of this sweep stay in it. Raises OSError."""
    prepare_output_dir(paths.output_dir, [SweepPaths.FOLDER_NAME])
    earlier = load_sweep(paths)
    value = record.to_json()
    if earlier is not None:
        known = {run.run_id for run in record.runs}
        kept = [shallow(run) for run in earlier.runs if run.run_id not in known]
        value |= {"runs": [*kept, *value["runs"]], "created_at": earlier.created_at}
        value["name"] = record.name or earlier.name
    # Without indents: Python writes them with its slow encoder, and there may be thousands of runs.
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
    """For each key a run with that key, from the newest sweep that has one; None if none has.

    `records` are oldest first. Equal keys get different runs: if the newest sweep has too few, runs
    of the sweeps before it follow.
    """
    known: dict[str, dict[str, None]] = {}
    for record in reversed(list(records)):
        for run in record.runs:
            known.setdefault(run.key, {}).setdefault(run.run_id)
    left = {key: iter(runs) for key, runs in known.items()}
    return [next(left.get(key, iter(())), None) for key in keys]
