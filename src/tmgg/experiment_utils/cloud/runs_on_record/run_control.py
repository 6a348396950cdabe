"""What can be done with the runs of one backend: the part of a runner that others build on."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tmgg.experiment_utils.cloud.backend import BackendTraits
from tmgg.experiment_utils.cloud.judging.polling import Found
from tmgg.experiment_utils.cloud.runs import ExperimentResult, RunState, SpawnedTask, TaskRequest
from tmgg.experiment_utils.cloud.sweep.dispatch import Dispatcher
from tmgg.experiment_utils.cloud.sweep.matching import Resumed
from tmgg.experiment_utils.cloud.sweep.plan import SweepPlan
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.run_folder.failures import Failure


class RunControl(Protocol):
    """Runs can be thrown away with the process: all state is on their records."""

    @property
    def traits(self) -> BackendTraits:
        """What is so of the backend."""
        ...

    @property
    def poll_interval_s(self) -> float:
        """Longest time between two questions to the backend while waiting."""
        ...

    def spawn(self, request: TaskRequest, *, gpu_type: str | None, resume: bool) -> SpawnedTask:
        """Start one run without waiting.

        Raises TaskError, ConfigError, RunExistsError or BackendError; then nothing runs.
        """
        ...

    def retry(self, run_id: str, changes: RetryChanges | None = None) -> SpawnedTask:
        """Submit a run that failed again, with the same task.

        Raises RunExistsError when it has not failed.
        """
        ...

    def go_on(self, state: RunState) -> bool:
        """Submit a `resumable` run again, so that it goes on from its saved state.

        False where the backend cannot, or the run has no restart left.
        """
        ...

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        """The state of each run, in order, with one question to the backend for all of them.

        Raises RunError for a run that is unknown or whose record is damaged. A backend that does
        not answer raises nothing: the states then are the last that can be known, with a `note`.
        """
        ...

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        """As `poll`, but a run whose record is damaged is its RunError and hinders no other."""
        ...

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        """Folders where something appears when one of the runs ends; watched between polls."""
        ...

    def collect(self, run_id: str) -> ExperimentResult:
        """The result of a run whose state is final; raises NotEndedError for another."""
        ...

    def result_of(self, ended: RunState) -> ExperimentResult:
        """As `collect` for a run of which `poll` has just told this final state."""
        ...

    def cancel_all(self, run_ids: Sequence[str], *, why: str = "") -> list[bool]:
        """End runs; False for one that had already ended. `why` is kept on the records.

        Raises BackendError when it cannot.
        """
        ...

    def bad_nodes(self, state: RunState) -> list[str]:
        """Nodes to keep out of the next try of a run that a node failed."""
        ...

    def expect_records(self) -> None:
        """Wait, within bounds, while the runs on record cannot be read."""
        ...

    def was_abandoned(self, run_id: str) -> bool:
        """Whether a run only failed because the launcher that was to submit it is gone."""
        ...

    def looking_up(self) -> AbstractContextManager[None]:
        """Let nobody else look runs up until it is left, or the sweep that follows is on record."""
        ...

    def existing(self, run_ids: Sequence[str]) -> list[str]:
        """Which of the ids new runs cannot have, as far as is known before submitting."""
        ...

    def match_earlier(
        self,
        requests: Sequence[TaskRequest],
        *,
        rerun_changed_code: bool,
        say: Callable[[str], None],
        launched: Collection[str] = (),
    ) -> Resumed:
        """The requests, with the run ids of earlier runs that have the same content; their states.

        `say` gets what was recognised and what was not. `launched` are runs that the same launch
        has made before, for other jobs of its sweep: they are of no earlier sweep. With
        `rerun_changed_code` runs that another version of the program's code made do not count.
        """
        ...

    def dispatcher(self, plan: SweepPlan, *, gpu_type: str | None, resume: bool) -> Dispatcher:
        """What submits the runs of a sweep in its mode."""
        ...

    def note_sweep(self, plan: SweepPlan, *, gpu_type: str | None) -> None:
        """Keep on record which runs a sweep has, before the first is submitted."""
        ...

    def end_sweep(self, sweep_id: str, why: Failure) -> None:
        """Keep on record that what waits to be submitted will not be."""
        ...

    def show_alive(self, sweep_id: str) -> None:
        """Let others see that this process still submits the runs of a sweep."""
        ...

    def holding_lease(self, sweep_id: str) -> AbstractContextManager[None]:
        """Let others see all along, until it is left, that this process launches the sweep."""
        ...
