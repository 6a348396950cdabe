"""What a sweep does about runs that fail. Pure."""

from dataclasses import dataclass, replace
from typing import get_args

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.run_folder.failures import FailureKind


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPolicy:
    """What a sweep does if runs fail. Raises ConfigError for an invalid value."""

    max_failures: int | None = None
    """After how many failed runs no more are started. 1 stops at the first; None never stops."""
    retries: int = 1
    """How often each run is submitted again if it fails in one of the ways of `retry_kinds`. A
    packed run whose turn did not come (`not_started`) does not count as a try: unless `retries` is
    0, it is submitted again as long as other runs of the sweep still begin."""
    retry_kinds: tuple[FailureKind, ...] = ("node_fail", "preempted")
    """Kinds of failures that another try may cure."""
    memory_growth: float | None = None
    """Runs that ran out of memory are submitted again with this factor (for example 1.5) more
    memory. None does not retry them."""
    exclude_bad_nodes: bool = True
    """Whether a failed node is excluded from the next try."""

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
        """Whether a run with this kind of failure may get another try, if it has one left."""
        return kind in self.retry_kinds or (
            kind == "out_of_memory" and self.memory_growth is not None
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryChanges:
    """How the next try of a run differs from the options on its record."""

    exclude_nodes: tuple[str, ...] = ()
    memory_factor: float = 1.0

    def after(
        self, kind: FailureKind, bad_nodes: tuple[str, ...], policy: SweepPolicy
    ) -> "RetryChanges":
        """The changes for the try after this failure, in addition to the earlier changes."""
        nodes = tuple(dict.fromkeys([*self.exclude_nodes, *bad_nodes]))
        grows = kind == "out_of_memory" and policy.memory_growth is not None
        return replace(
            self,
            exclude_nodes=nodes if policy.exclude_bad_nodes else (),
            memory_factor=self.memory_factor * (policy.memory_growth or 1.0 if grows else 1.0),
        )
