"""Modal's GPUs by name, from its guide (https://modal.com/docs/guide/gpu)."""

from dataclasses import dataclass

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.options import unknown_name


@dataclass(frozen=True, slots=True)
class Gpu:
    memory_gb: int
    most: int = 8
    """Largest number in one container."""


GPUS: dict[str, Gpu] = {
    "T4": Gpu(16),
    "L4": Gpu(24),
    "A10": Gpu(24, most=4),
    "L40S": Gpu(48),
    "A100": Gpu(40),
    "A100-40GB": Gpu(40),
    "A100-80GB": Gpu(80),
    "RTX-PRO-6000": Gpu(96),
    "H100": Gpu(80),
    "H100!": Gpu(80),
    "H200": Gpu(141),
    "B200": Gpu(180),
    "B200+": Gpu(180),
}


def render_gpu(gpu_type: str | None, count: int) -> str | None:
    """The GPUs in the SDK's form, such as `H100:2`; None for no GPU.

    Raises ConfigError for a name that is not in the table, or for too many in one container.
    """
    if gpu_type is None:
        return None
    name = gpu_type.upper()
    if name not in GPUS:
        raise ConfigError(unknown_name("gpu_type", gpu_type, GPUS))
    most = GPUS[name].most
    if count > most:
        raise ConfigError(
            f"gpus_per_task={count} must be at most {most}: a container has at most {most} of "
            f"{name}. Ask for fewer, or for another gpu_type."
        )
    return name if count == 1 else f"{name}:{count}"
