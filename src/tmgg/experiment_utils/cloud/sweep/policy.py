"""What a sweep does about runs that fail. Pure."""

from dataclasses import dataclass, replace
from typing import get_args

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.run_folder.failures import FailureKind


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPolicy:
    """Raises ConfigError for a value that is not valid."""

    max_failures: int | None = None
    """Failed runs after which nothing more is started; 1 is fail fast, None runs all."""
    retries: int = 1
    """How often each run is submitted again when it fails in one of the ways below. A packed run
    whose turn did not come (`not_started`) has not had a try: unless this is 0, it is submitted
    again as long as that gets the sweep on."""
    retry_kinds: tuple[FailureKind, ...] = ("node_fail", "preempted")
    """Failures that another try may cure."""
    memory_growth: float | None = None
    """Retry runs that were out of memory, too, with so many times the memory, as in 1.5; None does
    not."""
    exclude_bad_nodes: bool = True
    """Keep a node that failed out of the next try."""

    def __post_init__(self) -> None:
        kinds = checks.text_list("retry_kinds", self.retry_kinds)
        object.__setattr__(self, "retry_kinds", kinds)
        for kind in kinds:
            checks.one_of("retry_kinds", kind, get_args(FailureKind))
        if self.max_failures is not None:
            checks.integer("max_failures", self.max_failures, least=1)
        checks.integer("retries", self.retries, least=0, most=1000)
        checks.boolean("exclude_bad_nodes", self.exclude_bad_nodes)
        growth = self.memory_growth
        if growth is not None and (
            isinstance(growth, bool)
            or not isinstance(growth, int | float)
            or not 1 < growth <= 1000
        ):
            raise ConfigError(f"memory_growth={growth!r} must be a number above 1, such as 1.5")

    def retries_failure(self, kind: FailureKind) -> bool:
        """Whether a run that failed so gets another try, as long as it has one left."""
        return kind in self.retry_kinds or (
            kind == "out_of_memory" and self.memory_growth is not None
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryChanges:
    """In what the next try of a run differs from what its record says."""

    exclude_nodes: tuple[str, ...] = ()
    memory_factor: float = 1.0

    def after(
        self, kind: FailureKind, bad_nodes: tuple[str, ...], policy: SweepPolicy
    ) -> "RetryChanges":
        """The changes for the try after such a failure; what earlier failures taught stays."""
        nodes = tuple(dict.fromkeys([*self.exclude_nodes, *bad_nodes]))
        grows = kind == "out_of_memory" and policy.memory_growth is not None
        return replace(
            self,
            exclude_nodes=nodes if policy.exclude_bad_nodes else (),
            memory_factor=self.memory_factor * (policy.memory_growth or 1.0 if grows else 1.0),
        )
