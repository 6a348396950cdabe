"""The most that the runs of a sweep may use, in the units that sites account for. Pure."""

from tmgg.experiment_utils.cloud.runs import SweepMode
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.submit.packed_nodes import fitting

# Packages by which a single process can use other nodes, or learn that there are other nodes.
_KNOW_OF_NODES = frozenset(
    {"ray", "tmgg", "mpi4py", "dask", "distributed", "dask_jobqueue", "dask_mpi", "pyspark",
     "deepspeed", "parsl", "submitit", "subprocess"}
)  # fmt: skip


def render_usage(config: SlurmConfig, runs: int, mode: SweepMode) -> str:
    """Text such as `12 runs x 4 nodes x 8 h: up to 384 node-hours, 384 GPU-hours`."""
    if mode == "packed":
        config = fitting(config, runs)
    jobs = 1 if mode == "packed" else runs
    what = f"{runs} runs in 1 job" if mode == "packed" else _counted(runs, "run")
    what += f" x {_counted(config.nodes, 'node')}"
    if config.time_limit_s is None:
        return f"{what}, without a time limit"
    hours = config.time_limit_s / 3600
    node_hours = jobs * config.nodes * hours
    parts = [f"{_number(node_hours)} node-hours"]
    if config.gpus_per_node:
        parts.append(f"{_number(node_hours * config.gpus_per_node)} GPU-hours")
    each = f"{hours:.3g} h" if hours >= 1 else f"{_number(hours * 60)} min"
    return f"{what} x {each}: up to {', '.join(parts)}"


def render_idle_nodes(config: SlurmConfig, imports: frozenset[str], mode: SweepMode) -> str:
    """The warning for a program that starts on the first node and seems to use no other node.

    Empty if there is nothing to warn of. `imports` are the packages that the program imports.
    """
    is_alone = config.tasks_per_node is None and mode != "packed" and config.nodes > 1
    if not is_alone or imports & _KNOW_OF_NODES:
        return ""
    return (
        f"each run asks for {config.nodes} nodes, and runs as one process on the first; no file of "
        "the program imports Ray. If nothing else uses the other nodes, set slurm_nodes=1, or "
        "slurm_tasks_per_node for ranks on all of them."
    )


def _number(value: float) -> str:
    """The number with three digits; a number of 1000 or more without decimals."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
