"""What to call several runs on a command line."""

import re
from collections.abc import Callable, Sequence

from tmgg.experiment_utils.run_folder.sweeps import sweep_of

MOST_LINES = 10
_DATED = re.compile(r"\d{8}-\d{6}-(?=[0-9a-f]{8})")


def short_id(run_id: str) -> str:
    """`9f2c01ab-0` of `20261123-141503-9f2c01ab-0`, which is enough to find it. Pure."""
    return _DATED.sub("", run_id, count=1)


def lines_of_runs(run_ids: Sequence[str], one: Callable[[str], str], many: str) -> list[str]:
    """A line for each run (`one`); a single line for many runs (`many`: their verb and more). Pure.

    A thousand lines hide what else there is to read.
    """
    if len(run_ids) <= MOST_LINES:
        return [one(run_id) for run_id in run_ids]
    return [f"{len(run_ids)} runs {many}, for example {run_ids[0]}"]


def names_of_runs(run_ids: Sequence[str]) -> list[str]:
    """Their sweeps, where they are several runs of some; else each by its id. Pure."""
    sweeps = {sweep_of(run_id) for run_id in run_ids}
    if len(run_ids) > 1 and None not in sweeps:
        return sorted(map(str, sweeps))
    return list(run_ids)
