"""Gives the waiting runs of a sweep to the backend: how many at once, and in which form."""

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
    """What came of one attempt. Runs that are in neither mapping go on waiting."""

    launched: dict[str, str | None] = field(default_factory=dict)
    """Jobs by run id; None for one whose job is not known yet."""
    refused: dict[str, str] = field(default_factory=dict)
    """The backend's words by run id."""
    held: str = ""
    """Why the rest waits although it need not for the sweep's own sake; in the backend's words."""

    @property
    def run_ids(self) -> set[str]:
        """The runs that wait no more."""
        return self.launched.keys() | self.refused.keys()


class Dispatcher(Protocol):
    """One per sweep. Remembers what it needs between attempts."""

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        """Submit what can be submitted now; `open_count` runs of the sweep are under way."""
        ...


@runtime_checkable
class GroupDispatcher(Dispatcher, Protocol):
    """One that submits runs again together, once nothing of the sweep is under way.

    Where it is not, each goes by itself and at once.
    """

    def retry(self, failed: Sequence[RunState], changes: Sequence[RetryChanges]) -> Dispatched:
        """Submit these again, which ended so; `changes` are for all of them."""
        ...


class PatientDispatch:
    """Calls a dispatcher, and holds the runs while the file system does not answer it.

    No run is lost by that: a dispatcher answers with what it launched, or finds it again later.
    """

    def __init__(self, dispatcher: Dispatcher, hiccups: Hiccups | None = None) -> None:
        self._dispatcher = dispatcher
        self._hiccups = hiccups or Hiccups()

    def dispatch(self, waiting: Sequence[TaskRequest], *, open_count: int) -> Dispatched:
        """As the dispatcher's. Raises what it raised, once that has lasted or cannot pass."""
        return self._asked(lambda: self._dispatcher.dispatch(waiting, open_count=open_count))

    @property
    def retries_together(self) -> bool:
        """Whether runs are submitted again together, by `retry`."""
        return isinstance(self._dispatcher, GroupDispatcher)

    def retry(self, failed: Sequence[RunState], changes: Sequence[RetryChanges]) -> Dispatched:
        """As that of a GroupDispatcher; raises as `dispatch`."""
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
            # After a refusal the policy has its say first.
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
                # What is under way must be known first. An error that lasts is raised next time.
                done.held = text_of(error)
                break
        return done

    def _submit(self, request: TaskRequest, done: Dispatched) -> None:
        assert request.run_id is not None
        try:
            done.launched[request.run_id] = self._spawn(request).job_id
        except SubmissionUnknownError as error:
            log.warning("%s", error)  # the job may be in; polling finds out
            done.launched[request.run_id] = None
