"""What a rank's supervisor reads from the job script's arguments and from Slurm."""

from pathlib import Path

from tmgg.experiment_utils.job.context import Rank
from tmgg.experiment_utils.ranks.options import RankOptions, parse_options
from tmgg.experiment_utils.ray_cluster.task_ends import StepLog

STEP = {
    "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2",
}  # fmt: skip


def parse(*more: str) -> RankOptions:
    return parse_options(["/out/run/1", "--tasks-per-node=2", "--ports=40000-49999", *more], STEP)


def test_the_rank_and_the_start_are_slurms() -> None:
    options = parse()
    assert options.rank == Rank(rank=3, world_size=4, local_rank=1, local_world_size=2, node_rank=1)
    assert options.start == "7.2"
    assert options.ports == (40000, 49999)


def test_the_log_of_the_step_is_the_job_scripts() -> None:
    assert parse("--step-log=12:/out/a run.err").step_log == StepLog(Path("/out/a run.err"), 12)


def test_a_job_script_of_an_earlier_version_names_no_log() -> None:
    options = parse()
    assert (options.step_log, options.max_restarts) == (None, 0)
