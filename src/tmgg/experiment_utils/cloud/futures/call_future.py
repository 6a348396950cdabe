"""A call of a function, which is a run, as a `concurrent.futures.Future`."""

import asyncio
import contextlib
import importlib
import logging
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from typing import Any, TypeVar

from tmgg.errors import TmggError
from tmgg.experiment_utils.cloud.futures.awaiting import Awaiting
from tmgg.experiment_utils.cloud.runs import RunState
from tmgg.experiment_utils.cloud.runs_on_record.run_control import RunControl

log = logging.getLogger(__name__)

T = TypeVar("T")


def _harmless(callback: Callable[[Future[T]], object]) -> Callable[[Future[T]], object]:
    def call(future: Future[T]) -> object:
        try:
            return callback(future)
        except Exception:
            raise  # the standard library logs it
        except BaseException:
            if threading.current_thread() is threading.main_thread():
                raise  # the user's own call runs this callback; for example Ctrl-C
            log.exception("a callback of a future wanted to end its thread")
            return None

    return call


class RunFuture(Future[T]):
    """What `submit` and `map` of a runner return.

    Works with `concurrent.futures.wait` and `as_completed`, and can be awaited. Only `cancel` ends
    its run; a cancelled wait does not (but see `asyncio.wrap_future` in docs/calls.md). Its run is
    on record: `tmgg-jobs show RUN_ID` shows it, and it goes on if this process ends. The future can
    be pickled; unpickling it in any process gives a future of the same run.
    """

    def __init__(self, runs: RunControl | None, run_id: str, *, folder: Path | None = None) -> None:
        """`runs` is None if the run was in `folder` and is not on record any more."""
        super().__init__()
        self._runs = runs
        self._folder = folder if runs is None else runs.traits.output_dir
        self._last_state: RunState | None = None
        self._awaiting = Awaiting(self)
        self.run_id = run_id
        """The run's id; `runner.future(run_id)` makes another future of the run, in any process."""

    @property
    def job_id(self) -> str | None:
        """The backend's id of its job; None while it is not known."""
        return None if self._last_state is None else self._last_state.job_id

    @property
    def last_state(self) -> RunState | None:
        """The run's state at the last poll; None before the first."""
        return self._last_state

    def running(self) -> bool:
        """Whether the job was running at the last poll."""
        state = self._last_state
        return not self.done() and state is not None and state.status == "running"

    def cancel(self) -> bool:
        """End the run, also if it has begun; False if it has ended or cannot be ended.

        A cancelled future raises CancelledError, even if the job still completed.
        """
        if self.done() or self._runs is None:
            return self.cancelled()
        try:
            if not self._runs.cancel_all([self.run_id])[0]:
                return False
        except TmggError as error:
            log.warning("run %s could not be cancelled: %s", self.run_id, error)
            return False
        return self.count_as_cancelled()

    def count_as_cancelled(self) -> bool:
        """Mark the future as cancelled without ending its run; False if it is already done."""
        if not super().cancel():
            return self.cancelled()
        with contextlib.suppress(RuntimeError):  # two threads cancelled it
            self.set_running_or_notify_cancel()  # wakes those who wait for it
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        # Imported by name: that module makes runners of all backends, a layer above this module.
        reopened = importlib.import_module("tmgg.experiment_utils.cloud.futures.reopened_future")
        return reopened.open_future, (self.run_id, str(self._folder), self.cancelled())

    def __await__(self) -> Generator[Any, None, T]:
        """Wait in an event loop. If the wait is cancelled, the run goes on."""
        yield from self._awaiting.until_done().__await__()
        if self.cancelled():
            raise asyncio.CancelledError
        return self.result()

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """As in the standard library, but an exception of `fn` does not end a thread of TMGG.

        In the standard library, SystemExit in one callback keeps the other callbacks from running.
        """
        super().add_done_callback(_harmless(fn))

    def seen(self, state: RunState) -> None:
        """The watcher calls this with the run's current state."""
        self._last_state = state

    def succeed(self, value: T) -> None:
        """The watcher calls this with the value. A future that was cancelled stays cancelled."""
        with contextlib.suppress(InvalidStateError):
            self.set_result(value)

    def fail(self, error: BaseException) -> None:
        """The watcher calls this with the reason why there is no value."""
        with contextlib.suppress(InvalidStateError):
            self.set_exception(error)
