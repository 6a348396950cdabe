"""The order to a node to do one run; it is sent as JSON."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths, submission_paths
from tmgg.experiment_utils.supervisor.run_end import HARD_LIMIT_AFTER_S, KILL_AFTER_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One run to start on this node."""

    folder: str
    """The submission's folder."""
    job_id: str
    """The id of the job of all runs."""
    restart: int = 0
    """How often the backend has restarted the job."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables in addition to those that all runs of the node share."""
    cpus: tuple[int, ...] = ()
    """CPUs that the run is bound to; empty: not bound."""
    kill_after_s: float = KILL_AFTER_S
    """See `Limits`."""
    hard_limit_after_s: float = HARD_LIMIT_AFTER_S
    """See `Limits`. It is shorter than the default there, because a forked run starts fast."""

    @property
    def paths(self) -> SubmissionPaths:
        return submission_paths(Path(self.folder))

    def to_json(self) -> JsonDict:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonDict) -> "Order":
        return cls(**{**value, "cpus": tuple(value["cpus"])})
