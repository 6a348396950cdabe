"""Gives the waiting runs of a sweep to the backend. Decides how many at once and in which form."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from tmgg.errors import (
    BackendError,
    RunError,
    SubmissionUnknownError,
    SubmitLimitError,
    TmggError,
)
from tmgg.experiment_utils.cloud.runs import RunState, SpawnedTask, TaskRequest
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.error_text import text_of
from tmgg.experiment_utils.files.hiccups import Hiccups

log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class Dispatched:
    """The outcome of one call of a dispatcher. Runs in neither mapping go on waiting."""

    launched: dict[str, str | None] = field(default_factory=dict)
    """Job ids by run id; None if the job is not known yet."""
    refused: dict[str, str] = field(default_factory=dict)
    """The backend's error messages by run id."""
    held: str = ""
    """The backend's reason why the other runs wait; empty if only the sweep's own limit does."""

    @property
    def run_ids(self) -> set[str]:
        """The runs that do not wait any more."""
        return self.launched.keys() | self.refused.keys()


class Dispatcher(Protocol):
    """Submits the runs of one sweep. It may keep state from call to call."""

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        """Submit what can be submitted now; `open_count` runs of the sweep are under way."""
        ...


@runtime_checkable
class GroupDispatcher(Dispatcher, Protocol):
    """A dispatcher that submits failed runs again together, once no run of the sweep is under way.

    With other dispatchers each failed run is submitted again by itself, at once.
    """

    def retry(self, failed: Sequence[RunState], changes: Sequence[RetryChanges]) -> Dispatched:
        """Submit these failed runs again together; all of `changes` apply to all of them."""
        ...


class PatientDispatch:
    """Calls a dispatcher. While the file system does not answer, the runs go on waiting.

    No run is lost then: a dispatcher returns what it launched, or finds it again later.
    """

    def __init__(self, dispatcher: Dispatcher, hiccups: Hiccups | None = None) -> None:
        self._dispatcher = dispatcher
        self._hiccups = hiccups or Hiccups()

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        """As the dispatcher's. Raises its error if that lasts too long or will not pass."""
        return self._asked(lambda: self._dispatcher.dispatch(waiting, open_count=open_count))

    @property
    def retries_together(self) -> bool:
        """Whether runs are submitted again together, by `retry`."""
        return isinstance(self._dispatcher, GroupDispatcher)

    def retry(self, failed: Sequence[RunState], changes: Sequence[RetryChanges]) -> Dispatched:
        """As `GroupDispatcher.retry`; raises as `dispatch`."""
        assert isinstance(self._dispatcher, GroupDispatcher)
        dispatcher: GroupDispatcher = self._dispatcher
        return self._asked(lambda: dispatcher.retry(failed, changes))

    def _asked(self, ask: Callable[[], Dispatched]) -> Dispatched:
        try:
            done = ask()
        except (TmggError, OSError) as error:
            if not self._hiccups.bearable("dispatch", error):
                raise
            return Dispatched(held=str(error))
        self._hiccups.over("dispatch")
        return done


class SeparateDispatcher:
    """Each run by itself, at most `parallelism` at once."""

    def __init__(self, spawn: Callable[[TaskRequest], SpawnedTask], *, parallelism: int) -> None:
        self._spawn = spawn
        self._parallelism = parallelism
        self._hiccups = Hiccups()

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        done = Dispatched()
        for request in waiting:
            # After a refusal the policy decides first whether the sweep goes on.
            if done.refused or open_count + len(done.launched) >= self._parallelism:
                break
            try:
                self._submit(request, done)
            except SubmitLimitError as error:
                done.held = str(error)
                break
            except (BackendError, RunError, OSError) as error:
                if self._hiccups.bearable(request.run_id, error):
                    done.held = str(error)
                    continue
                done.refused[str(request.run_id)] = str(error)
            except Exception as error:
                if not done.launched:
                    raise
                # The caller must learn first what was launched. If the error lasts, the next call
                # raises it.
                done.held = text_of(error)
                break
        return done

    def _submit(self, request: TaskRequest, done: Dispatched) -> None:
        assert request.run_id is not None
        try:
            done.launched[request.run_id] = self._spawn(request).job_id
        except SubmissionUnknownError as error:
            log.warning("%s", error)  # the backend may have the job; polling shows whether it has
            done.launched[request.run_id] = None
