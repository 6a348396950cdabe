"""What a run used, in lines for people. Pure."""

from tmgg.console.durations import render_duration
from tmgg.console.visible import visible_line
from tmgg.experiment_utils.sampling.sizes import render_bytes
from tmgg.experiment_utils.sampling.used import GpuUse, RunUse
from tmgg.experiment_utils.some_names import some_of

HOSTS_SHOWN = 4


def use_lines(use: RunUse, starts: int = 1) -> list[str]:
    """Lines for `tmgg-jobs show`. `starts` is how often the run was started."""
    cpus = f" of {use.cpus_allotted}" if use.cpus_allotted is not None else ""
    cores = "core" if use.cpus_allotted == 1 else "cores"
    memory = use.memory_allotted_bytes
    of_memory = f" of {render_bytes(memory)}" if memory is not None else ""
    where = " on the fullest node" if len(use.hosts) > 1 else ""
    last = f" (at the last of its {starts} starts only)" if starts > 1 else ""
    lines = [
        f"CPU         {use.cpu_cores_mean:.3g}{cpus} {cores} on average, "
        f"{use.cpu_cores_peak:.3g} at most; {render_duration(use.cpu_seconds)} of CPU time",
        f"memory      {render_bytes(use.memory_mean_bytes)} on average, "
        f"{render_bytes(use.memory_peak_bytes)}{of_memory} at most{where}",
    ]
    return [*lines, *(_gpu_line(gpu) for gpu in use.gpus), f"seen on     {_hosts(use)}{last}"]


def _gpu_line(gpu: GpuUse) -> str:
    busy = (
        "how busy it was is not known"
        if gpu.busy_mean_percent is None
        else f"busy {gpu.busy_mean_percent:.0f} % on average"
    )
    total = f" of {render_bytes(gpu.memory_total_bytes)}" if gpu.memory_total_bytes else ""
    memory = (
        f", {render_bytes(gpu.memory_peak_bytes)}{total} at most"
        if gpu.memory_peak_bytes is not None
        else ""
    )
    name = f" ({visible_line(gpu.name)})" if gpu.name else ""
    return f"GPU {visible_line(gpu.index):<8}{busy}{memory}{name}"


def _hosts(use: RunUse) -> str:
    return some_of([visible_line(host) for host in use.hosts], HOSTS_SHOWN)
