"""Whether a job would look for Ray in an environment without it. Pure."""

import sys

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.extras import install_command

_CONTAINER = "--container"
"""The beginning of sbatch's own option for containers, and of plugins' (--container-image)."""


def has_this_environment(config: SlurmConfig) -> bool:
    """Whether jobs certainly have the Python and the packages of this process."""
    names_other = config.python or config.script_template or config.setup_commands
    return not (names_other or _has_container(config))


def _has_container(config: SlurmConfig) -> bool:
    """Whether the job runs in a container, where the same path may be another Python."""
    names = [f"--{name}" for name, value in (config.sbatch_options or {}).items() if value]
    return any(each.startswith(_CONTAINER) for each in [*config.extra_args, *names])


def check_ray_is_here(config: SlurmConfig, *, has_ray: bool) -> None:
    """Raises ConfigError for jobs that would start Ray in an environment without Ray.

    `has_ray` says whether the environment of this process, which the jobs use, too, has Ray.
    """
    is_packed = config.sweep_mode == "packed"
    if has_ray or (config.resolved_ray_bootstrap == "none" and not is_packed):
        return
    why = "slurm_sweep_mode=packed" if is_packed else f"slurm_ray_bootstrap={config.ray_bootstrap}"
    raise ConfigError(
        f"Ray is not installed for {sys.executable}, and every job would start it there "
        f"({why}). If the experiment needs no Ray, set {_without(config, is_packed=is_packed)}. "
        f"Otherwise install it: {install_command('ray')}; or name an environment that has it in "
        "slurm_setup_commands or slurm_python."
    )


def _without(config: SlurmConfig, *, is_packed: bool) -> str:
    """The options for jobs without Ray; such jobs use one node, or have ranks on each node."""
    words = ["slurm_ray_bootstrap=none"]
    if is_packed:
        words.append("slurm_sweep_mode=array")
    if config.nodes > 1 and config.tasks_per_node is None:
        words.append("slurm_nodes=1 (or slurm_tasks_per_node=1 for a rank on each node)")
    return " and ".join(words)
