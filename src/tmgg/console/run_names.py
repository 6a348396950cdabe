"""Names for several runs, in a line about them and on a command line."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from tmgg.errors import RecordError
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.registry import is_recorded
from tmgg.experiment_utils.run_folder.sweeps import load_sweep, sweep_paths_of

MOST_LINES = 10
MOST_NAMES = 20
"""The most runs that a command line names one by one."""
WHOLE_SWEEP = "the whole sweep, also the runs that were not asked for"
_DATED = re.compile(r"\d{8}-\d{6}-(?=[0-9a-f]{8})")


def short_id(run_id: str) -> str:
    """`9f2c01ab-0` of `20261123-141503-9f2c01ab-0`, which is enough to find it. Pure."""
    return _DATED.sub("", run_id, count=1)


def names_of_runs(runs: Sequence[RunPaths]) -> dict[RunPaths, str]:
    """The id of each run; if another run has the same id, the path of its folder. Pure.

    A command finds the run by either.
    """
    count = Counter(paths.run_id for paths in dict.fromkeys(runs))
    return {
        paths: paths.run_id if count[paths.run_id] == 1 else str(paths.folder) for paths in runs
    }


def lines_of_runs(names: Sequence[str], one: Callable[[str], str], many: str) -> list[str]:
    """A line for each run (`one`); a single line for many runs (`many`: their verb and more). Pure.

    A thousand lines would hide the other output.
    """
    if len(names) <= MOST_LINES:
        return [one(name) for name in names]
    return [f"{len(names)} runs {many}, for example {names[0]}"]


def command_for(
    command: str,
    runs: Sequence[RunPaths],
    *,
    asked: Collection[RunPaths] = (),
    remark: str = "",
) -> str:
    """The command with names that mean these runs, and at most also the runs that were `asked` for.

    A sweep is named by its id if it has no other runs on record. Many runs that are only a part of
    a sweep are also named by the sweep's id; the line then says so.
    """
    meant = {*runs, *asked}
    sweeps = _sweeps_of(runs)
    whole = {
        sweep: members
        for sweep, members in sweeps.items()
        if all(run in meant or not _is_there(run) for run in members)
    }
    is_part = len(_left(runs, whole)) > MOST_NAMES and len(whole) < len(sweeps)
    chosen = _needed(runs, sweeps if is_part else whole)
    names, left = names_of_runs([*runs, *asked]), _left(runs, chosen)
    words = [
        *sorted({sweep.sweep_id for sweep in chosen}),
        *(names[run] for run in left[:MOST_NAMES]),
    ]
    more = " ..." if len(left) > MOST_NAMES else ""
    remarks = "; ".join(filter(None, [remark, WHOLE_SWEEP if is_part else ""]))
    return f"{command} {shlex.join(words)}{more}" + (f"    # {remarks}" if remarks else "")


def _needed(
    runs: Sequence[RunPaths], sweeps: Mapping[SweepPaths, Sequence[RunPaths]]
) -> dict[SweepPaths, Sequence[RunPaths]]:
    """Leave out sweeps whose runs larger sweeps have: a resumed sweep has runs of earlier ones."""
    needed: dict[SweepPaths, Sequence[RunPaths]] = {}
    for sweep, members in sorted(sweeps.items(), key=lambda pair: -len(pair[1])):
        if {*members} & {*_left(runs, needed)}:
            needed[sweep] = members
    return needed


def _left(
    runs: Sequence[RunPaths], sweeps: Mapping[SweepPaths, Sequence[RunPaths]]
) -> list[RunPaths]:
    named = {run for members in sweeps.values() for run in members}
    return [run for run in runs if run not in named]


def _sweeps_of(runs: Sequence[RunPaths]) -> dict[SweepPaths, list[RunPaths]]:
    """The sweeps on record that have more than one of the runs, with all runs of each sweep."""
    chosen = {*runs}
    sweeps = dict.fromkeys(filter(None, map(sweep_paths_of, runs)))
    members = {sweep: _members(sweep) for sweep in sweeps}
    return {sweep: each for sweep, each in members.items() if len(chosen.intersection(each)) > 1}


def _members(sweep: SweepPaths) -> list[RunPaths]:
    """All runs of a sweep by its record; none if there is no record that can be read."""
    try:
        record = load_sweep(sweep)
    except (RecordError, OSError):
        return []
    return [RunPaths(sweep.output_dir, run.run_id) for run in record.runs] if record else []


def _is_there(run: RunPaths) -> bool:
    try:
        return is_recorded(run)
    except OSError:
        return True
