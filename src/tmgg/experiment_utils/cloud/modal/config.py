"""What a Modal run may ask for. Field `x` is the launcher key `hydra.launcher.modal_x`."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.cloud.modal.gpus import render_gpu
from tmgg.experiment_utils.cloud.options import parse_options

LONGEST_TIMEOUT_S = 24 * 3600
# Added to a run's own time limit, for starting its process and for sending its files back.
MARGIN_S = 600
MOST_RETRIES = 10
MOST_NODES = 64
_NAME = (re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}"), "tmgg")
_PACKAGE = (re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"), "my_package")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModalConfig:
    """A run's container, image and bookkeeping. Raises ConfigError for invalid values."""

    gpu_type: str | None = None
    """GPU of the container: T4, L4, A10, L40S, A100-40GB, A100-80GB, RTX-PRO-6000, H100, H200 or
    B200; None runs on CPUs."""
    gpus_per_task: int = 1
    """GPUs in each container, if `gpu_type` is set."""
    nodes: int = 1
    """Containers that work together as one Ray cluster; more than one needs an account that may
    use Modal's clusters, a `gpu_type`, and all GPUs of a machine (8)."""
    cpus_per_task: float | None = None
    """CPU cores of the container; None is Modal's default (an eighth of a core)."""
    memory_mb: int | None = None
    """Memory of the container, in megabytes; None is Modal's default (128)."""
    timeout_seconds: int = 28800
    """Limit for runs without a limit of their own, in seconds."""
    retries: int = 0
    """How often Modal may start the run again after its container died. An experiment that raised
    is never started again."""
    max_containers: int | None = None
    """Largest number of containers with the same options at once; None is the account's limit."""
    region: str | None = None
    """Region to run in, for example `us-east`; None takes any region, and costs least."""
    cloud: str | None = None
    """Cloud provider: aws, gcp or oci; None takes any."""

    requirements: tuple[str, ...] = ()
    """Python packages to install beside TMGG's own, as pip takes them (`scipy==1.16.0`)."""
    apt_packages: tuple[str, ...] = ()
    """Debian packages to install."""
    base_image: str | None = None
    """Image to build on, as `docker pull` takes it; None is Modal's Debian with this Python."""
    local_packages: tuple[str, ...] = ()
    """Your own importable packages to send to Modal: name the package of your experiment."""
    secrets: tuple[str, ...] = ()
    """Names of Modal secrets whose variables the experiment finds in its environment."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Modal volumes to mount, as path to name, for example `{/data: my-data}`. Volumes that do not
    exist are made."""

    app_name: str = "tmgg"
    """Beginning of the app's name; a digest of the image follows, so that each image has an app."""
    environment: str | None = None
    """Modal environment; None is the profile's."""
    output_dir: str = "modal_outputs"
    """Folder of logs and records on this machine, relative to the working directory."""
    artifacts_limit_mb: int = 256
    """Limit on the files in the output folder that are copied to this machine, in megabytes. For
    more, set `artifact_url`."""
    poll_interval_s: float = 10.0
    """Longest time between two questions to Modal while waiting, in seconds."""
    lost_grace_s: float = 60.0
    """How long TMGG waits for a call that Modal does not know, in seconds."""
    submit_timeout_s: float = 120.0
    """How long Modal may take to answer when a run is submitted, in seconds."""

    def __post_init__(self) -> None:
        for name in ("requirements", "apt_packages", "local_packages", "secrets"):
            object.__setattr__(self, name, checks.text_list(name, getattr(self, name)))
        self._check_numbers()
        self._check_texts()
        object.__setattr__(self, "volumes", _checked_volumes(self.volumes))
        render_gpu(self.gpu_type, self.gpus_per_task)
        if self.nodes > 1 and self.gpu_type is None:
            raise ConfigError(
                f"nodes={self.nodes} needs a gpu_type: Modal has no clusters of CPU containers"
            )

    def _check_numbers(self) -> None:
        checks.integer("gpus_per_task", self.gpus_per_task, least=1, most=8)
        checks.integer("nodes", self.nodes, least=1, most=MOST_NODES)
        checks.integer("timeout_seconds", self.timeout_seconds, least=1, most=LONGEST_TIMEOUT_S)
        checks.integer("retries", self.retries, least=0, most=MOST_RETRIES)
        checks.integer("artifacts_limit_mb", self.artifacts_limit_mb, least=0)
        for name in ("memory_mb", "max_containers"):
            if getattr(self, name) is not None:
                checks.integer(name, getattr(self, name), least=1)
        if self.cpus_per_task is not None:
            checks.positive("cpus_per_task", self.cpus_per_task)
        for name in ("poll_interval_s", "lost_grace_s", "submit_timeout_s"):
            checks.positive(name, getattr(self, name))

    def _check_texts(self) -> None:
        checks.matching("app_name", self.app_name, _NAME)
        checks.path("output_dir", self.output_dir)
        for name in ("gpu_type", "region", "cloud", "base_image", "environment"):
            if getattr(self, name) is not None:
                checks.printable(name, getattr(self, name))
        for name in ("requirements", "apt_packages", "secrets"):
            for item in getattr(self, name):
                checks.printable(name, item)
        for item in self.local_packages:
            checks.matching("local_packages", item, _PACKAGE)

    @property
    def gpu(self) -> str | None:
        """The GPUs of a container as the SDK takes them."""
        return render_gpu(self.gpu_type, self.gpus_per_task)

    def to_json(self) -> dict[str, object]:
        """Plain values that `from_mapping` takes."""
        return {
            item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(ModalConfig)
        }

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> "ModalConfig":
        """A config from plain options. An unknown name raises ConfigError with the nearest one."""
        return parse_options(cls, options, what="modal")


def _checked_volumes(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"volumes={value!r} must map mount paths to names of volumes")
    for path, name in value.items():
        checks.printable("volumes", name)
        if not isinstance(path, str) or not Path(path).is_absolute() or path == "/":
            raise ConfigError(f"volumes has the mount path {path!r}; give an absolute one")
    return dict(value)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
