"""The options and the plan of a sweep, and a check before anything is written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tmgg.errors import ConfigError, RunExistsError
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """How the runs of a sweep are submitted."""

    mode: SweepMode | None = None
    """None means the runner's default."""
    parallelism: int = 4
    policy: SweepPolicy = field(default_factory=SweepPolicy)
    gpu_type: str | None = None
    timeout_seconds: int | None = None
    resume: bool = False
    rerun_changed_code: bool = False
    share_output_dir: bool = False
    name: str = ""
    """The user's name for the sweep; `tmgg-jobs` also finds the sweep by it."""
    metric: str | None = None
    """The metric by which `tmgg-jobs` finds the best run; None means val_loss."""
    metric_mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        if self.rerun_changed_code and not self.resume:
            raise ConfigError(
                "rerun_changed_code=True needs resume=True: it runs recorded runs again"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlan:
    """A checked sweep, ready to be submitted."""

    sweep_id: str
    mode: SweepMode
    parallelism: int
    policy: SweepPolicy
    requests: list[TaskRequest]
    """Each has a run id, and no two have the same."""
    is_resumed: bool
    """Whether earlier runs were looked up for the requests."""
    name: str = ""
    metric: str | None = None
    metric_mode: Literal["min", "max"] = "min"


def refuse_twins(requests: Sequence[TaskRequest]) -> None:
    """Raises ConfigError when a run id is given twice."""
    counts = Counter(str(request.run_id) for request in requests)
    twins = sorted(run_id for run_id, count in counts.items() if count > 1)
    if twins:
        raise ConfigError(
            f"run ids given twice in one sweep: {', '.join(twins)}. Make them unique."
        )


def refuse_existing(run_ids: Sequence[str]) -> None:
    """Raises RunExistsError if there are any; the ids are those of a sweep that exist already."""
    if run_ids:
        raise RunExistsError(
            f"these runs of the sweep exist already: {', '.join(run_ids)}. Nothing was "
            "submitted. Choose other run ids, or use the existing runs (resume=True)."
        )
