"""The options of a run on Ray, and of its cluster.

Field `x` is the launcher key `hydra.launcher.ray_x`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.cloud.options import parse_options
from tmgg.experiment_utils.job.artifacts import without_credentials

# TMGG itself sets how long Ray waits for a job that it stops; see request.py.
_OWN_VARIABLES = ("RAY_JOB_STOP_WAIT_TIME_S",)


@dataclass(frozen=True, kw_only=True, slots=True)
class RayConfig:
    """One run's resources and environment. Raises ConfigError for a value that is not valid."""

    address: str | None = None
    """The cluster's dashboard, for example http://head:8265; None uses a Ray on this machine, and
    starts one if there is none."""
    token_path: str | None = None
    """File with the cluster's token; None looks where Ray does: RAY_AUTH_TOKEN,
    RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token."""
    output_dir: str = "ray_outputs"
    """Folder of logs and records, relative to the working directory; all nodes must see it."""
    timeout_seconds: int | None = None
    """Limit for runs without a limit of their own, in seconds; None is no limit."""
    stop_signal: str | None = None
    """Signal for an experiment that does not import TMGG, for example `USR1`. Its process gets the
    signal when the run is asked to stop, if it has a handler for it. None sends no signal."""
    idle_gpu_minutes: float | None = None
    """End a run whose GPUs all were idle for this many minutes; it has then failed (`idle_gpu`).
    Its log warns after half of this time. With None this is off."""

    cpus_per_run: float = 1.0
    """CPUs that Ray reserves for each run."""
    gpus_per_run: float = 0.0
    """GPUs that Ray reserves for each run; with a fraction, runs share one."""
    memory_gb: float | None = None
    """Memory that Ray reserves for each run; None reserves none. It is not a limit."""
    gpu_type: str | None = None
    """GPU model as Ray names it (A100, H100, ...); None takes any."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """Other resources of the cluster's nodes that a run needs."""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that a run's node must have, as in Ray's label selectors."""
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    """Ray's runtime environment of the runs: env_vars, pip, conda, ..."""
    python: str | None = None
    """Python on the nodes; None is the path of the one that submits."""
    connect: bool = True
    """Connect each experiment to the cluster before it begins, so that it can use Ray at once."""
    max_retries: int = 0
    """How often a run is started again when its node is lost. A run that fails is not."""

    submit_timeout_s: float = 60.0
    """How long to try to submit a job to Ray, in seconds."""
    poll_interval_s: float = 5.0
    """Longest time between two questions to Ray while waiting, in seconds."""
    lost_grace_s: float = 30.0
    """How long to wait for a missing job or a missing result, in seconds."""

    local_cpus: int | None = None
    """CPUs of the Ray on this machine; None takes all that this process may use."""
    local_gpus: int | None = None
    """GPUs of the Ray on this machine; None takes those of CUDA_VISIBLE_DEVICES, else all."""
    local_idle_s: float = 600.0
    """The Ray on this machine ends after this time without work, in seconds."""

    def __post_init__(self) -> None:
        for name in ("output_dir", "token_path"):
            if getattr(self, name) is not None:
                checks.path(name, getattr(self, name))
        if self.address is not None:
            _check_address(self.address)
        for name in ("timeout_seconds", "local_cpus"):
            if getattr(self, name) is not None:
                checks.integer(name, getattr(self, name), least=1)
        if self.stop_signal is not None:
            checks.stop_signal("stop_signal", self.stop_signal)
        if self.idle_gpu_minutes is not None:
            checks.minutes("idle_gpu_minutes", self.idle_gpu_minutes)
        checks.integer("max_retries", self.max_retries, least=0)
        if self.local_gpus is not None:
            checks.integer("local_gpus", self.local_gpus, least=0)
        for name in ("submit_timeout_s", "poll_interval_s", "lost_grace_s", "local_idle_s"):
            checks.positive(name, getattr(self, name))
        checks.boolean("connect", self.connect)
        for name in ("gpu_type", "python"):
            if getattr(self, name) is not None:
                checks.printable(name, getattr(self, name))
        self._check_resources()
        self._check_runtime_env()

    def _check_resources(self) -> None:
        for name in ("cpus_per_run", "gpus_per_run"):
            checks.amount(name, getattr(self, name))
        if self.memory_gb is not None:
            checks.amount("memory_gb", self.memory_gb)
        for name, amount in _items("resources", self.resources):
            checks.amount(f"resources.{name}", amount)
        for name, value in _items("node_labels", self.node_labels):
            checks.printable(f"node_labels.{name}", value)

    def _check_runtime_env(self) -> None:
        variables = dict(_items("runtime_env", self.runtime_env)).get("env_vars") or {}
        for name, value in _items("runtime_env.env_vars", variables):
            checks.printable(f"runtime_env.env_vars.{name}", value)
            if name in _OWN_VARIABLES:
                raise ConfigError(f"runtime_env.env_vars.{name} is TMGG's own; leave it out")

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> "RayConfig":
        """A config from plain options. An unknown key raises ConfigError with the known keys."""
        return parse_options(cls, options, what="Ray")

    def to_json(self) -> dict[str, Any]:
        """Plain values for the record."""
        return dataclasses.asdict(self)


def _items(name: str, value: object) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}={value!r} must be a mapping of names to values")
    return [(str(key), item) for key, item in value.items()]


def _check_address(address: object) -> None:
    checks.printable("address", address)
    scheme, _, host = str(address).partition("://")
    if scheme not in ("http", "https") or not host.strip("/") or "@" in host:
        raise ConfigError(
            f"address={without_credentials(str(address))!r} must be the address of the "
            "cluster's dashboard, as in http://head:8265 (`ray start` prints it)"
        )
