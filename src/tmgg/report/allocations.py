"""How long a packed job held its nodes, from the marks that it left."""

from collections.abc import Mapping
from typing import Any

from tmgg.errors import RecordError
from tmgg.experiment_utils.run_folder.batches import names_in
from tmgg.experiment_utils.run_folder.paths import BatchPaths
from tmgg.experiment_utils.run_folder.phases import Phase
from tmgg.report.held import Allocation, held_by_job
from tmgg.report.timeline import read_all_marks


def read_allocation(
    batch: BatchPaths, settings: Mapping[str, Any], *, runs_shown: int, until_s: float | None
) -> Allocation:
    """What a packed job held. `until_s` is the present time if the job goes on, None if it ended.

    If the report does not show all runs of the job, the time is None: it is not known what the
    others held.
    """
    try:
        runs = len(names_in(batch))
    except (RecordError, OSError):
        runs = 0
    seconds = seconds_of(read_all_marks(batch), until_s=until_s)
    return Allocation(
        unit=held_by_job(settings, runs=runs),
        seconds=seconds if runs == runs_shown else None,
        has_whole_nodes=bool(settings.get("exclusive")),
    )


def seconds_of(starts: list[list[Phase]], *, until_s: float | None) -> float | None:
    """The time of all starts of a job; None if the end of one is not on record. Pure."""
    total = 0.0
    for number, marks in enumerate(starts):
        at = {mark.name: mark.at for mark in reversed(marks)}
        is_last = number == len(starts) - 1
        end = at.get("batch_end", until_s if is_last else None)
        if "batch_start" not in at or end is None:
            return None
        total += max(0.0, end - at["batch_start"])
    return total if starts else None
