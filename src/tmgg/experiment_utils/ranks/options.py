"""The options of one rank's supervisor, from the job script's arguments and Slurm's environment."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.job.context import Rank
from tmgg.experiment_utils.ray_cluster.options import parse_range
from tmgg.experiment_utils.ray_cluster.task_ends import StepLog, parse_step_log
from tmgg.experiment_utils.run_folder.paths import submission_paths
from tmgg.experiment_utils.run_folder.rank_paths import RankPaths


@dataclass(frozen=True, kw_only=True, slots=True)
class RankOptions:
    """One rank's part in the job."""

    paths: RankPaths
    node: str
    """This node's name."""
    job_id: str
    restart: int
    nodelist: str
    """The step's nodes as Slurm writes them."""
    launch_address: str
    """The address of the node that runs srun; empty if Slurm does not set it."""
    ports: tuple[int, int]
    """First and last port of the range that the job may use."""
    interface: str | None
    start_timeout_s: float
    cpus: int
    """CPUs of each rank."""
    gpus: int
    """GPUs of each rank."""
    max_restarts: int = 0
    """How often the job may be restarted."""
    python_options: tuple[str, ...] = ()
    """Options of the interpreter that runs the experiment."""
    step_log: StepLog | None = None
    """Where srun writes that a task has ended; None if this is not known."""

    @property
    def rank(self) -> Rank:
        return self.paths.rank

    @property
    def start(self) -> str:
        """Names this start of the job, to ignore files of an earlier start."""
        return f"{self.job_id}.{self.restart}"


def parse_options(arguments: Sequence[str], environment: Mapping[str, str]) -> RankOptions:
    """Raises KeyError or ValueError if the environment is not that of a Slurm step."""
    parsed = _parser().parse_args(arguments)
    run = submission_paths(parsed.folder.absolute())
    rank = parse_rank(environment, tasks_per_node=parsed.tasks_per_node)
    return RankOptions(
        paths=RankPaths(run.run_paths, run.number, rank=rank),
        node=environment.get("SLURMD_NODENAME", "?"),
        job_id=environment["SLURM_JOB_ID"],
        restart=int(environment.get("SLURM_RESTART_COUNT", "0")),
        nodelist=environment.get("SLURM_STEP_NODELIST", ""),
        launch_address=environment.get("SLURM_LAUNCH_NODE_IPADDR", ""),
        ports=parsed.ports,
        interface=parsed.interface,
        start_timeout_s=parsed.start_timeout,
        cpus=int(environment.get("SLURM_CPUS_PER_TASK", "1")),
        gpus=parsed.gpus,
        max_restarts=parsed.max_restarts,
        python_options=tuple(parsed.python_option),
        step_log=parsed.step_log,
    )


def parse_rank(environment: Mapping[str, str], *, tasks_per_node: int) -> Rank:
    """The rank of this task of the step."""
    return Rank(
        rank=int(environment["SLURM_PROCID"]),
        world_size=int(environment["SLURM_STEP_NUM_TASKS"]),
        local_rank=int(environment["SLURM_LOCALID"]),
        local_world_size=tasks_per_node,
        node_rank=int(environment["SLURM_NODEID"]),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ranks", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks-per-node", type=int, required=True)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--ports", type=parse_range, required=True, metavar="FIRST-LAST")
    parser.add_argument("--interface")
    parser.add_argument("--start-timeout", type=float, default=300)
    # These have a default because job scripts of an earlier TMGG, still in the queue, do not give
    # them.
    parser.add_argument("--max-restarts", type=int, default=0)
    parser.add_argument("--step-log", type=parse_step_log, metavar="SIZE:PATH")
    parser.add_argument("--python-option", action="append", default=[], metavar="OPTION")
    return parser
