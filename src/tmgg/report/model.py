"""What a page tells of runs, read once and shown in several ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tmgg.console.overrides import Overrides
from tmgg.console.ranking import Ranking
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.sampling.used import RunUse
from tmgg.report.held import Allocation, Unit

SpanKind = Literal["queue", "startup", "run", "end", "failed"]
"""Waiting for nodes; from the job's start to the experiment's; the experiment; from its end to the
job's; an experiment that came to nothing, from start to end."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a run's time."""

    kind: SpanKind
    begin_s: float
    """Unix time."""
    end_s: float

    @property
    def seconds(self) -> float:
        return max(0.0, self.end_s - self.begin_s)


@dataclass(frozen=True, slots=True)
class Curve:
    """What a run logged under one name."""

    name: str
    points: Sequence[tuple[float, float]]
    """Step and value, in order of steps; NaN where none that is finite was logged."""
    is_sampled: bool = False
    """Whether the file was so large that parts of it were read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportRun:
    """One run."""

    run_id: str
    status: str
    title: str = ""
    overrides: Overrides = field(default_factory=dict)
    """In what it differs from the others, as it was written; empty for a title of other words."""
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
    """The packed job that ran it among others."""
    spans: Sequence[Span] = ()
    curves: Sequence[Curve] = ()
    advice: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReportCause:
    """One way to fail, and the runs that failed so."""

    failure: Failure
    """That of the first of them."""
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
    """By the names that the runs have."""
    causes: Sequence[ReportCause] = ()
    """Why runs failed, the most frequent cause first."""
    notes: Sequence[str] = ()
    """What could not be shown, and why."""
