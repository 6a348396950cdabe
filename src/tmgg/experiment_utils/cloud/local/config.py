"""The options of a local run: names, defaults, meaning and limits."""

from dataclasses import dataclass

from tmgg.experiment_utils.cloud import checks


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalConfig:
    """Where local runs leave their files and how they start."""

    output_dir: str = "local_outputs"
    """Folder of logs and records, relative to the working directory."""
    timeout_seconds: int | None = None
    """Limit for runs without a limit of their own, in seconds; None is no limit."""
    stop_signal: str | None = None
    """Signal for an experiment that does not import TMGG, for example `USR1`. Its process gets the
    signal when the run is asked to stop, if it has a handler for it. None sends no signal."""
    idle_gpu_minutes: float | None = None
    """End a run whose GPUs all were idle for this many minutes; it has then failed (`idle_gpu`).
    Its log warns after half of this time. With None this is off."""
    cpus_per_run: int | None = None
    """CPUs reserved for each run, and its number of threads; a run waits until the user's other
    local runs leave that many free. With None nothing is reserved, and the run chooses its number
    of threads."""
    gpus_per_run: int | None = None
    """GPUs reserved for each run; it sees no other GPUs. With 0 it sees none; with None it sees
    all, and nothing is reserved."""

    def __post_init__(self) -> None:
        checks.path("output_dir", self.output_dir)
        if self.timeout_seconds is not None:
            checks.integer("timeout_seconds", self.timeout_seconds, least=1)
        if self.stop_signal is not None:
            checks.stop_signal("stop_signal", self.stop_signal)
        if self.idle_gpu_minutes is not None:
            checks.minutes("idle_gpu_minutes", self.idle_gpu_minutes)
        if self.cpus_per_run is not None:
            checks.integer("cpus_per_run", self.cpus_per_run, least=1)
        if self.gpus_per_run is not None:
            checks.integer("gpus_per_run", self.gpus_per_run, least=0)
