"""What a local run may ask for: names, defaults, meaning and limits."""

from dataclasses import dataclass

from tmgg.experiment_utils.cloud import checks


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalConfig:
    """Where local runs leave their files and how they start."""

    output_dir: str = "local_outputs"
    """Folder of logs and records, relative to the working directory."""
    timeout_seconds: int | None = None
    """Limit for runs that state none, in seconds; None is no limit."""
    stop_signal: str | None = None
    """Signal for an experiment that knows nothing of TMGG, as in `USR1`: its process gets it when
    the run is asked to stop, if it handles it. None sends none."""
    idle_gpu_minutes: float | None = None
    """End a run whose GPUs all did nothing for so many minutes, as failed (`idle_gpu`); its log
    warns after half of them. None ends none."""
    cpus_per_run: int | None = None
    """CPUs kept for each run, and its number of threads; a run waits until as many are free of the
    user's other local runs. None keeps none and leaves the number to the run."""
    gpus_per_run: int | None = None
    """GPUs kept for each run; it sees no others. 0 hides them all, None shows all and keeps
    none."""

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
