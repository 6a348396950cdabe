"""The option of sbatch by which a job asks for GPUs. Pure."""

from typing import Literal

from tmgg.errors import ConfigError

GpuRequest = Literal["task", "node", "gres", "job", "none"]


def check_gpu_request(
    request: GpuRequest, *, gpu_type: str | None, gpu_binding: str, nodes: int
) -> None:
    """Raises ConfigError for settings that do not work with `request`."""
    if request == "job" and nodes > 1:
        raise ConfigError(
            f"gpu_request='job' and nodes={nodes} exclude each other: Slurm may spread the GPUs "
            "unevenly over its nodes. Set nodes to 1, or gpu_request to task, node or gres."
        )
    if request != "none":
        return
    if gpu_type is not None:
        raise ConfigError(
            f"gpu_type={gpu_type!r} and gpu_request='none' exclude each other: without an option "
            "for GPUs Slurm does not get their type. Leave gpu_type out and choose the nodes by "
            "partition or constraint, or set gpu_request to task, node, job or gres."
        )
    if gpu_binding == "task":
        raise ConfigError(
            "gpu_binding='task' and gpu_request='none' exclude each other: Slurm gives a rank "
            "its own GPUs only if it counts them. Set gpu_binding to auto or node."
        )


def render_gpus(
    request: GpuRequest, *, per_task: int, per_node: int, gpu_type: str | None
) -> tuple[str, str]:
    """The option of sbatch, and the item for its option `--gres`; at least one is empty."""
    typed = f"{gpu_type}:" if gpu_type else ""
    if not per_task or request == "none":
        return "", ""
    if request == "gres":
        return "", f"gpu:{typed}{per_node}"
    if request == "node":
        return f"--gpus-per-node={typed}{per_node}", ""
    if request == "job":
        return f"--gpus={typed}{per_node}", ""
    return f"--gpus-per-task={typed}{per_task}", ""
