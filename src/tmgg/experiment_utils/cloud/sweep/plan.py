"""A sweep as it is asked for, and what is checked before anything is written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.runs import SweepMode, TaskRequest
from tmgg.experiment_utils.cloud.sweep.policy import SweepPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """How the runs of a sweep are submitted."""

    mode: SweepMode | None = None
    """None takes the runner's own."""
    parallelism: int = 4
    policy: SweepPolicy = field(default_factory=SweepPolicy)
    gpu_type: str | None = None
    timeout_seconds: int | None = None
    resume: bool = False
    rerun_changed_code: bool = False
    share_output_dir: bool = False
    name: str = ""
    """What people call the sweep; `tmgg-jobs` finds it by that, too."""
    metric: str | None = None
    """The metric that decides which run is the best for `tmgg-jobs`; None takes val_loss."""
    metric_mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        if self.rerun_changed_code and not self.resume:
            raise ConfigError(
                "rerun_changed_code=True needs resume=True: it runs recorded runs again"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlan:
    """A sweep as it is asked for, checked."""

    sweep_id: str
    mode: SweepMode
    parallelism: int
    policy: SweepPolicy
    requests: list[TaskRequest]
    """With run ids, each once."""
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
