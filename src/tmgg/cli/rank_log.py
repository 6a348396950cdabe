"""Where one rank of a run prints."""

from pathlib import Path

from tmgg.errors import ConfigError
from tmgg.experiment_utils.job.context import Rank
from tmgg.experiment_utils.run_folder.attempts import newest_submission, record_of
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.rank_paths import RankPaths


def log_of_rank(run: RunPaths, rank: int) -> Path:
    """The log of a rank of the newest submission; rank 0 prints into the run's own log.

    Raises ConfigError if there is no such rank, RunError if the record cannot be read.
    """
    last = newest_submission(run)
    settings = record_of(last).settings
    on_each_node = settings.get("tasks_per_node")
    if on_each_node is None:
        raise ConfigError(f"run {run.run_id} is one process, without ranks; leave --rank out")
    count = int(settings["nodes"]) * int(on_each_node)
    if rank >= count:
        raise ConfigError(f"run {run.run_id} has the ranks 0 to {count - 1}, not {rank}")
    if rank == 0:
        return run.stdout
    return RankPaths(run, last.number, rank=Rank(rank=rank, world_size=count)).log
