"""What ranks need in the job script, and whether all nodes of a job have something to do. Pure."""

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.extras import is_built_in
from tmgg.experiment_utils.run_folder.task import module_of

GPU_DEFAULTS = (
    "SLURM_GPUS_PER_TASK",
    "SLURM_GPUS_PER_NODE",
    "SLURM_TRES_PER_TASK",
    "SLURM_TRES_BIND",
    "SLURM_GPU_BIND",
)
"""Variables of the job that srun would take as options of the step."""
WITHOUT_GPU_DEFAULTS = " ".join(f"-u {name}" for name in GPU_DEFAULTS)
_BESIDE_RAY = "tmgg.experiment_utils.ranks.beside_ray"


def check_nodes_are_used(config: SlurmConfig) -> None:
    """Raises ConfigError for a job in which all nodes but the first would have nothing to do."""
    idle = config.resolved_ray_bootstrap == "none" and config.tasks_per_node is None
    if config.nodes > 1 and idle:
        raise ConfigError(
            f"nodes={config.nodes} with ray_bootstrap={config.ray_bootstrap!r} leaves all nodes "
            "but the first idle: the experiment is one process without Ray. Choose nodes=1, or "
            "tasks_per_node=1 (or more) for that many ranks on each node, or ray_bootstrap=auto "
            "for a Ray cluster."
        )


def check_takes_ranks(target: str, config: SlurmConfig) -> None:
    """Raises ConfigError for an experiment that would train separately in each rank."""
    if config.ranks > 1 and is_built_in(module_of(target)):
        raise ConfigError(
            f"tasks_per_node={config.tasks_per_node} with the built-in experiment {target}: it "
            "starts its own workers, one for each GPU or node (trainer.workers), so "
            f"{config.ranks} ranks would each train alone. Leave tasks_per_node out."
        )


def rank_options(config: SlurmConfig) -> list[str]:
    """The options for the supervisors of ranks, as words of the job script."""
    options = [
        f"--tasks-per-node={config.tasks_per_node or 1}",
        f"--gpus={config.gpus_per_task}",
        f"--ports={config.min_job_port}-{config.max_job_port}",
    ]
    if config.network_interface is not None:
        options.append(f"--interface={config.network_interface}")
    return [
        *options,
        f"--start-timeout={config.ray_start_timeout_s:g}",
        f"--max-restarts={config.restarts}",
    ]


def rank_gpu_option(config: SlurmConfig) -> str:
    """The srun option by which a rank sees its own GPUs, or all of the job's on its node; or ""."""
    if not config.gpus_per_task or config.gpu_request == "none":
        return ""
    if config.sees_all_gpus_of_node:
        return f"--gres=gpu:{config.gpus_per_node}"
    return f"--gpus-per-task={config.gpus_per_task}"


def managed_step(config: SlurmConfig) -> dict[str, str]:
    """Values for the template: the step of a managed Ray gets all CPUs and GPUs of the job."""
    if config.tasks_per_node is None:
        return {"without": "", "cpus": "$SLURM_CPUS_PER_TASK", "gpu_option": "", "rank_hub": ""}
    asked = config.gpus_per_task > 0 and config.gpu_request != "none"
    gpus = f"--gres=gpu:{config.gpus_per_node} " if asked else ""
    return {
        "without": f"env {WITHOUT_GPU_DEFAULTS} \\\n    ",
        "cpus": f"$((SLURM_CPUS_PER_TASK * {config.tasks_per_node}))",
        "gpu_option": gpus,
        "rank_hub": ': > "$tmgg_dir/rank_hub"\n',
    }


def render_ranks_beside_ray(config: SlurmConfig, python: str, more: list[str]) -> str:
    """The command that starts the ranks; the head of a managed Ray runs it, not the experiment.

    `more` are further words for the ranks' supervisors.
    """
    gpus = rank_gpu_option(config)
    lines = [
        f'{_BESIDE_RAY} srun --overlap --mem=0 --nodes="$SLURM_JOB_NUM_NODES"',
        f"--ntasks={config.ranks} --ntasks-per-node={config.tasks_per_node}",
        '--cpus-per-task="$SLURM_CPUS_PER_TASK" --distribution=block',
        f"{gpus} --kill-on-bad-exit=0 --wait=0".lstrip(),
        f'{python} -u -m tmgg.experiment_utils.ranks "$tmgg_dir" --step-log="$(tmgg_step_log)"',
        " ".join([*rank_options(config), *more]),
    ]
    return " \\\n    ".join(lines)
