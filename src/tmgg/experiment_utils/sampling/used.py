"""The record `usage.json`: what one process of a run and its descendants used."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.run_folder.records import parse_fields, parse_record

RECORD_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuUse:
    """The use of one GPU during a run. On a shared GPU the use by others counts, too."""

    index: str
    uuid: str
    name: str = ""
    busy_mean_percent: float | None = None
    busy_peak_percent: float | None = None
    memory_mean_bytes: int | None = None
    memory_peak_bytes: int | None = None
    memory_total_bytes: int | None = None
    samples: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class HostUse:
    """What the processes of a run, or of one rank, used on one host."""

    host: str
    restart: int
    began_at: float
    """Unix time."""
    seconds: float
    """Time from the first sample to the last."""
    samples: int
    cpu_seconds: float
    """CPU time of all processes."""
    cpu_cores_peak: float
    """The largest number of cores in use, as a mean between two samples."""
    memory_mean_bytes: int
    memory_peak_bytes: int
    cpus_allotted: int | None = None
    """CPUs that the job has on this host."""
    memory_allotted_bytes: int | None = None
    """Memory that the job has on this host; None if not known."""
    gpus: list[JsonDict] = field(default_factory=list)
    """The fields of a `GpuUse` for each GPU."""
    token: str | None = None

    @property
    def gpu_uses(self) -> list[GpuUse]:
        """Raises RecordError."""
        return [parse_fields(GpuUse, each, what="a GPU in usage.json") for each in self.gpus]

    def to_json(self) -> JsonDict:
        return {"version": RECORD_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: JsonDict, *, what: str) -> "HostUse":
        """Raises RecordError."""
        found = parse_record(cls, value, what=what, newest_version=RECORD_VERSION)
        numbers = (found.seconds, found.cpu_seconds, found.cpu_cores_peak, found.began_at)
        if not all(0 <= number < 1e18 for number in (*numbers, found.memory_peak_bytes)):
            raise RecordError(f"{what} has a number out of range")
        _ = found.gpu_uses
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class RunUse:
    """What a run used, as a sum over its ranks; memory is that on the host that used most."""

    hosts: list[str]
    """The machines that were measured. Nodes that have only Ray's workers are not."""
    seconds: float
    cpu_seconds: float
    cpu_cores_mean: float
    cpu_cores_peak: float
    """The sum of the ranks' peaks."""
    cpus_allotted: int | None
    """On all hosts that were measured; None if not known for one of them."""
    memory_mean_bytes: int
    memory_peak_bytes: int
    memory_allotted_bytes: int | None
    """On the host that used most."""
    gpus: list[GpuUse]
    gpu_busy_mean_percent: float | None
    """Over all GPUs."""
    gpu_memory_peak_bytes: int | None
    """The peak of the GPU that used most."""

    def to_json(self) -> JsonDict:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonDict) -> "RunUse":
        """The reverse of `to_json`."""
        return cls(**{**value, "gpus": [GpuUse(**gpu) for gpu in value["gpus"]]})


def nodes_of(settings: Mapping[str, Any], *, is_packed: bool) -> int:
    """The number of nodes that a run has by its options; 1 for a packed run. Pure."""
    nodes = settings.get("nodes")
    return nodes if type(nodes) is int and not is_packed else 1


def add_up(parts: Sequence[HostUse]) -> RunUse:
    """The run's use, from that of its ranks or of its one process. Pure."""
    by_host: dict[str, list[HostUse]] = {}
    for part in parts:
        by_host.setdefault(part.host, []).append(part)
    fullest = max(by_host.values(), key=lambda each: sum(part.memory_peak_bytes for part in each))
    gpus = list({gpu.uuid: gpu for part in parts for gpu in part.gpu_uses}.values())
    busy = [gpu.busy_mean_percent for gpu in gpus if gpu.busy_mean_percent is not None]
    memory = [gpu.memory_peak_bytes for gpu in gpus if gpu.memory_peak_bytes is not None]
    allotted = [each[0].cpus_allotted for each in by_host.values()]
    counted = [number for number in allotted if number is not None]
    return RunUse(
        hosts=list(by_host),
        seconds=max(part.seconds for part in parts),
        cpu_seconds=sum(part.cpu_seconds for part in parts),
        cpu_cores_mean=sum(part.cpu_seconds / part.seconds for part in parts if part.seconds > 0),
        cpu_cores_peak=sum(part.cpu_cores_peak for part in parts),
        cpus_allotted=sum(counted) if len(counted) == len(allotted) else None,
        memory_mean_bytes=sum(part.memory_mean_bytes for part in fullest),
        memory_peak_bytes=sum(part.memory_peak_bytes for part in fullest),
        memory_allotted_bytes=fullest[0].memory_allotted_bytes,
        gpus=gpus,
        gpu_busy_mean_percent=sum(busy) / len(busy) if busy else None,
        gpu_memory_peak_bytes=max(memory, default=None),
    )
