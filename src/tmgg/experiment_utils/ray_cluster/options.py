"""The options of one node's supervisor, from the job script's arguments and Slurm's environment."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.experiment_utils.ray_cluster.ports import PortWishes
from tmgg.experiment_utils.ray_cluster.task_ends import StepLog, parse_step_log
from tmgg.experiment_utils.run_folder.paths import JobFiles, JobFilesIn

_MEBIBYTE = 1024**2


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeOptions:
    """One node's part in the job."""

    paths: JobFiles
    entrypoint: tuple[str, ...]
    """A module, whose `main` is called with the folder and these arguments in place of
    `execute_task`; empty for `execute_task`."""
    python_options: tuple[str, ...] = ()
    """Options of the interpreter that runs the entrypoint."""
    scratch_parent: str
    """The parent of the job's folder on the node; it may contain variables of the job."""
    start_timeout_s: float
    ports: PortWishes
    interface: str | None
    object_store_bytes: int | None

    rank: int
    nodes: int
    node: str
    """This node's name."""
    job_id: str
    restart: str
    launch_address: str
    """The address of the node that runs srun; empty if Slurm does not set it."""
    nodelist: str
    """The step's nodes as Slurm writes them."""
    cpus: int
    gpus: int
    memory_bytes: int | None
    """The job's memory on this node; None if Slurm does not allocate memory at this site."""
    step_log: StepLog | None = None
    """Where srun writes that a task has ended; None if this is not known."""

    @property
    def is_head(self) -> bool:
        return self.rank == 0

    @property
    def start(self) -> str:
        """Names this start of the job, to ignore files of an earlier start."""
        return f"{self.job_id}.{self.restart}"


def parse_options(arguments: Sequence[str], environment: Mapping[str, str]) -> NodeOptions:
    """Raises KeyError or ValueError if the environment is not that of a Slurm step."""
    own, entrypoint = _split(arguments)
    parsed = _parser().parse_args(own)
    cpus = int(environment["SLURM_CPUS_PER_TASK"])
    return NodeOptions(
        paths=JobFilesIn(parsed.folder.absolute()),
        entrypoint=entrypoint,
        python_options=tuple(parsed.python_option),
        scratch_parent=parsed.scratch,
        start_timeout_s=parsed.start_timeout,
        ports=PortWishes(range=parsed.ports, gcs=parsed.ray_port, workers=parsed.worker_ports),
        interface=parsed.interface,
        object_store_bytes=(
            None if parsed.object_store_mb is None else parsed.object_store_mb * _MEBIBYTE
        ),
        rank=int(environment["SLURM_PROCID"]),
        nodes=int(environment["SLURM_STEP_NUM_TASKS"]),
        node=environment.get("SLURMD_NODENAME", "?"),
        job_id=environment["SLURM_JOB_ID"],
        restart=environment.get("SLURM_RESTART_COUNT", "0"),
        launch_address=environment.get("SLURM_LAUNCH_NODE_IPADDR", ""),
        nodelist=environment.get("SLURM_STEP_NODELIST", ""),
        cpus=cpus,
        gpus=parsed.gpus,
        memory_bytes=parse_memory(environment, cpus=cpus, gpus=parsed.gpus),
        step_log=parsed.step_log,
    )


def parse_memory(environment: Mapping[str, str], *, cpus: int, gpus: int) -> int | None:
    """The step's memory on this node in bytes; None if Slurm allocates none.

    Slurm's variables are in megabytes.
    """
    per_cpu = int(environment.get("SLURM_MEM_PER_CPU", "0"))
    per_node = int(environment.get("SLURM_MEM_PER_NODE", "0"))
    per_gpu = int(environment.get("SLURM_MEM_PER_GPU", "0"))
    megabytes = per_cpu * cpus or per_node or per_gpu * gpus
    return megabytes * _MEBIBYTE or None


def parse_range(text: str) -> tuple[int, int]:
    """`first-last`."""
    first, _, last = text.partition("-")
    return int(first), int(last)


def _split(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """This program's own arguments, and those after `--`."""
    given = list(arguments)
    cut = given.index("--") if "--" in given else len(given)
    return given[:cut], tuple(given[cut + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ray_cluster", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--ports", type=parse_range, required=True, metavar="FIRST-LAST")
    parser.add_argument("--ray-port", type=int)
    parser.add_argument("--worker-ports", type=parse_range, metavar="FIRST-LAST")
    parser.add_argument("--interface")
    parser.add_argument("--object-store-mb", type=int)
    parser.add_argument("--scratch", default="/tmp")
    parser.add_argument("--start-timeout", type=float, default=300)
    # Job scripts of an earlier TMGG, still in the queue, do not give it.
    parser.add_argument("--step-log", type=parse_step_log, metavar="SIZE:PATH")
    parser.add_argument("--python-option", action="append", default=[], metavar="OPTION")
    return parser
