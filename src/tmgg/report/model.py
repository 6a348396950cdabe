"""What a page shows of runs; it is read once and shown in several ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tmgg.console.overrides import Overrides
from tmgg.console.ranking import Ranking
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.sampling.used import RunUse
from tmgg.report.held import Allocation, Unit

SpanKind = Literal["queue", "startup", "run", "end", "failed"]
"""`queue`: waiting for nodes. `startup`: from the job's start to the experiment's start. `run`: the
experiment. `end`: from its end to the job's end. `failed`: an experiment that failed."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a run's time."""

    kind: SpanKind
    begin_s: float
    """Unix time."""
    end_s: float

    @property
    def seconds(self) -> float:
        return max(0.0, self.end_s - self.begin_s)


@dataclass(frozen=True, slots=True)
class Curve:
    """The values that a run logged under one name."""

    name: str
    points: Sequence[tuple[float, float]]
    """Step and value, in order of steps; NaN for a value that is not finite."""
    is_sampled: bool = False
    """Whether only parts of the file were read, because it was large."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportRun:
    """One run."""

    run_id: str
    status: str
    title: str = ""
    overrides: Overrides = field(default_factory=dict)
    """The overrides in its title, as the user wrote them; empty for a title that is other text."""
    failure: Failure | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    duration_s: float = 0.0
    attempts: int = 1
    nodes: str = ""
    node_count: int = 1
    """How many nodes it had; 1 for a packed run."""
    used: RunUse | None = None
    unit: Unit = field(default_factory=Unit)
    allocation: str = ""
    """The name of the packed job that ran it; empty if there is none."""
    spans: Sequence[Span] = ()
    curves: Sequence[Curve] = ()
    advice: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReportCause:
    """One cause of failures, and the runs that failed for it."""

    failure: Failure
    """The failure of the first of these runs."""
    run_ids: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What the page is about."""

    title: str
    runs: Sequence[ReportRun]
    ranking: Ranking
    made_at: float
    """Unix time."""
    allocations: Mapping[str, Allocation] = field(default_factory=dict)
    """Packed jobs, by `ReportRun.allocation`."""
    causes: Sequence[ReportCause] = ()
    """Why runs failed, the most frequent cause first."""
    notes: Sequence[str] = ()
    """What could not be shown, and why."""
