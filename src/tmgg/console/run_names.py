"""What to call several runs on a command line."""

from collections.abc import Sequence

from tmgg.experiment_utils.run_folder.sweeps import sweep_of


def names_of_runs(run_ids: Sequence[str]) -> list[str]:
    """Their sweeps, where they are several runs of some; else each by its id. Pure."""
    sweeps = {sweep_of(run_id) for run_id in run_ids}
    if len(run_ids) > 1 and None not in sweeps:
        return sorted(map(str, sweeps))
    return list(run_ids)
