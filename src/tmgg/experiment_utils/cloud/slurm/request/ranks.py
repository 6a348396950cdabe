"""Refuses options that do not work with ranks (several processes of an experiment)."""

from tmgg.errors import ConfigError

# Slurm keeps counts in 16 bits, and the two highest values have special meanings.
LARGEST_COUNT = 65_533


def check_ranks(
    tasks_per_node: int, *, nodes: int, ray_bootstrap: str, sweep_mode: str, no_kill: bool
) -> None:
    """Raises ConfigError for options that the ranks of a job cannot have."""
    if ray_bootstrap == "symmetric-run":
        raise ConfigError(
            f"tasks_per_node={tasks_per_node} and ray_bootstrap='symmetric-run' exclude each "
            "other: symmetric-run starts the experiment once. Choose ray_bootstrap=managed for "
            "ranks beside a Ray cluster, or none for ranks alone."
        )
    if no_kill:
        raise ConfigError(
            f"tasks_per_node={tasks_per_node} and no_kill=True exclude each other: ranks cannot "
            "go on when one is lost. Leave no_kill out; the job begins again with another node "
            "if it may be requeued."
        )
    if sweep_mode == "packed":
        raise ConfigError(
            f"tasks_per_node={tasks_per_node} and sweep_mode='packed' exclude each other: a packed "
            "run is one process on a part of one node. Use sweep_mode=array or separate."
        )
    if nodes * tasks_per_node > LARGEST_COUNT:
        raise ConfigError(
            f"nodes={nodes} times tasks_per_node={tasks_per_node} must be at most "
            f"{LARGEST_COUNT} ranks"
        )
