"""A call that is a run, as a future of the standard kind."""

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
                raise  # of a user's own call, as Ctrl-C is
            log.exception("a callback of a future wanted to end its thread")
            return None

    return call


class RunFuture(Future[T]):
    """What `submit` and `map` of a runner return.

    Works with `concurrent.futures.wait` and `as_completed`, and can be awaited. Only `cancel` ends
    its run, not the end of a wait (but see `asyncio.wrap_future` in docs/calls.md). Its run is on
    record: `tmgg-jobs show RUN_ID` tells of it, and it goes on when this process ends. It can be
    pickled: what opens, in whatever process, is a future of the same run.
    """

    def __init__(self, runs: RunControl | None, run_id: str, *, folder: Path | None = None) -> None:
        """`runs` is None for a run that was in `folder` and is not on record any more."""
        super().__init__()
        self._runs = runs
        self._folder = folder if runs is None else runs.traits.output_dir
        self._last_state: RunState | None = None
        self._awaiting = Awaiting(self)
        self.run_id = run_id
        """The run; `runner.future(run_id)` makes another future of it, in any process."""

    @property
    def job_id(self) -> str | None:
        """The backend's id of its job, as far as it is known."""
        return None if self._last_state is None else self._last_state.job_id

    @property
    def last_state(self) -> RunState | None:
        """How the run stood when the backend was last asked."""
        return self._last_state

    def running(self) -> bool:
        """Whether the job runs, as far as is known."""
        state = self._last_state
        return not self.done() and state is not None and state.status == "running"

    def cancel(self) -> bool:
        """End the run, whether it waits or runs; False when it has ended or cannot be ended.

        A future that was cancelled raises CancelledError, whatever the job still did.
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
        """Whatever the run does; False for a future that is done otherwise."""
        if not super().cancel():
            return self.cancelled()
        with contextlib.suppress(RuntimeError):  # two threads cancelled it
            self.set_running_or_notify_cancel()  # wakes those who wait for it
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        # By name: it makes runners of all backends, which are above this module.
        reopened = importlib.import_module("tmgg.experiment_utils.cloud.futures.reopened_future")
        return reopened.open_future, (self.run_id, str(self._folder), self.cancelled())

    def __await__(self) -> Generator[Any, None, T]:
        """Wait in an event loop; a wait that is cancelled there leaves the run alone."""
        yield from self._awaiting.until_done().__await__()
        if self.cancelled():
            raise asyncio.CancelledError
        return self.result()

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """As in the standard library; what `fn` raises ends no thread of TMGG.

        There, SystemExit of one callback would keep all others from being called.
        """
        super().add_done_callback(_harmless(fn))

    def seen(self, state: RunState) -> None:
        """The watcher says how the run stands now."""
        self._last_state = state

    def succeed(self, value: T) -> None:
        """The watcher gives the value; a future that was cancelled meanwhile stays so."""
        with contextlib.suppress(InvalidStateError):
            self.set_result(value)

    def fail(self, error: BaseException) -> None:
        """The watcher says why there is no value."""
        with contextlib.suppress(InvalidStateError):
            self.set_exception(error)
