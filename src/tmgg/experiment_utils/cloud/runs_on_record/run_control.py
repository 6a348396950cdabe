"""What can be done with the runs of one backend; sweeps and calls are built on this protocol."""

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
    """The runs of one backend. Holds no state that is not also on the runs' records."""

    @property
    def traits(self) -> BackendTraits:
        """The properties of the backend."""
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

        Raises RunExistsError if it has not failed.
        """
        ...

    def go_on(self, state: RunState) -> bool:
        """Submit a `resumable` run again, so that it goes on from its saved state.

        False if it cannot be submitted, or if the run has no restart left.
        """
        ...

    def poll(self, run_ids: Sequence[str]) -> list[RunState]:
        """The state of each run, in order, with one question to the backend for all of them.

        Raises RunError for a run that is unknown or whose record is damaged. If the backend does
        not answer, nothing is raised: the states are then the last known ones, with a `note`.
        """
        ...

    def poll_each(self, run_ids: Sequence[str]) -> list[Found]:
        """As `poll`, but a run with a damaged record gets a RunError in place of its state."""
        ...

    def ended_folders(self, run_ids: Sequence[str]) -> set[Path]:
        """The folders in which an exit record appears when a run ends; watched between polls."""
        ...

    def collect(self, run_id: str) -> ExperimentResult:
        """The result of a run; raises NotEndedError if its state is not final."""
        ...

    def result_of(self, ended: RunState) -> ExperimentResult:
        """As `collect`, for a run whose final state `poll` has just returned."""
        ...

    def cancel_all(self, run_ids: Sequence[str], *, why: str = "") -> list[bool]:
        """End runs. In order, False for each run that had already ended. `why` goes on record.

        Raises BackendError if the runs cannot be ended.
        """
        ...

    def bad_nodes(self, state: RunState) -> list[str]:
        """The nodes to exclude from the next try of a run that failed because of a node."""
        ...

    def expect_records(self) -> None:
        """Wait for a limited time while the runs on record cannot be read."""
        ...

    def was_abandoned(self, run_id: str) -> bool:
        """Whether a run counts as failed only because its launcher seems to have ended."""
        ...

    def looking_up(self) -> AbstractContextManager[None]:
        """Hold the lock for looking up runs, until the block ends or the sweep is on record."""
        ...

    def existing(self, run_ids: Sequence[str]) -> list[str]:
        """Which of the ids are already taken, as far as is known before submitting."""
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

        `say` gets the lines about what was recognised and what was not. `launched` are runs that
        the same launch has already made for other jobs of its sweep; they do not count as an
        earlier sweep. With `rerun_changed_code`, runs by another version of the code do not count.
        """
        ...

    def dispatcher(self, plan: SweepPlan, *, gpu_type: str | None, resume: bool) -> Dispatcher:
        """The dispatcher that submits the runs of the sweep in its mode."""
        ...

    def note_sweep(self, plan: SweepPlan, *, gpu_type: str | None) -> None:
        """Record which runs a sweep has, before the first one is submitted.

        The caller holds the lock (`looking_up`) for a resumed sweep since before it was planned;
        this releases the lock.
        """
        ...

    def end_sweep(self, sweep_id: str, why: Failure) -> None:
        """Record that the waiting runs of a sweep will not be submitted, and why."""
        ...

    def show_alive(self, sweep_id: str) -> None:
        """Show other processes that this process still submits the sweep's runs."""
        ...

    def holding_lease(self, sweep_id: str) -> AbstractContextManager[None]:
        """Within the block, keep showing other processes that this process launches the sweep."""
        ...
