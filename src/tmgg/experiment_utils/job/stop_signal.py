"""A stop signal for experiments that do not use TMGG's functions.

When the run is asked to stop, the experiment's process (with ranks, the process of each rank) gets
the signal that the backend's option `stop_signal` names.

A thread looks for the file `stop` once a second. It sends the signal only if the experiment handles
it: a signal without a handler would end the experiment too early.

All ranks get the signal at the same moment, at a whole second of their clocks. Otherwise one rank
would save its state while another still computes, and they would wait for ever for each other in
two different collective operations.
"""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from tmgg.errors import RunError, StoppedEarlyError
from tmgg.experiment_utils.files.looking import appears
from tmgg.experiment_utils.job.clock import unix_time_s
from tmgg.experiment_utils.job.job_exit_codes import STOPPED
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.paths import SubmissionPaths

log = logging.getLogger(__name__)

OPTION = "stop_signal"
_LOOK_EVERY_S = 1.0
_OWN_HANDLER = "is_tmggs_own"


def seconds_to_next_look(now_s: float) -> float:
    """Seconds until the next whole second of the clock; never 0."""
    return _LOOK_EVERY_S - now_s % _LOOK_EVERY_S


class _Teller:
    """Signals the main thread, at most once, as long as the experiment runs."""

    def __init__(self, number: signal.Signals, stop: Path) -> None:
        self._number = number
        self._stop = stop
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._has_warned = False
        self.has_told = False

    def watch(self) -> None:
        while not self._ended.wait(seconds_to_next_look(unix_time_s())):
            if appears(self._stop) and self._tell():
                return

    def end(self) -> None:
        with self._lock:
            self._ended.set()

    def is_heeded(self) -> bool:
        """Whether the experiment handles the signal."""
        handler = signal.getsignal(self._number)
        is_nobodys = handler in (signal.SIG_DFL, signal.SIG_IGN)
        return not is_nobodys and not getattr(handler, _OWN_HANDLER, False)

    def is_stop(self, end: BaseException) -> bool:
        """Whether `end` shows that the experiment saved its state because of the signal."""
        if not self.has_told:
            return False
        if isinstance(end, SystemExit):
            return end.code in (None, 0, STOPPED, 128 + self._number)
        return isinstance(end, KeyboardInterrupt) and self._number is signal.SIGINT

    def stopped(self) -> StoppedEarlyError:
        return StoppedEarlyError(f"the experiment ended after {self._number.name}")

    def _tell(self) -> bool:
        """Send the signal if it is handled; return whether the thread may end."""
        with self._lock:
            if self._ended.is_set():
                return True
            if not self.is_heeded():
                self._warn()
                return False
            self.has_told = True
            # To the main thread, which runs Python's handlers, so that a wait there is interrupted.
            signal.pthread_kill(threading.main_thread().ident or 0, self._number)
            return True

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "the run was asked to stop, but the experiment has no handler for %s, so it is "
                "not sent",
                self._number.name,
            )


_teller: _Teller | None = None


@contextlib.contextmanager
def telling_by_signal(paths: SubmissionPaths) -> Iterator[None]:
    """Within the `with` block, send the run's stop signal, if it has one, when it must stop."""
    global _teller
    number = _asked_for(paths)
    if number is None:
        yield
        return
    _teller = teller = _Teller(number, paths.stop)
    threading.Thread(target=teller.watch, name="tmgg-stop-signal", daemon=True).start()
    try:
        yield
    finally:
        teller.end()
        _teller = None


def mark_own_handler(handler: object) -> None:
    """Mark a handler as TMGG's, so that it does not count as the experiment's."""
    setattr(handler, _OWN_HANDLER, True)


def heeds_signal() -> bool:
    """Whether the run has a stop signal, and the experiment handles it."""
    return _teller is not None and _teller.is_heeded()


def stop_of(end: BaseException) -> StoppedEarlyError | None:
    """The error for an experiment that ended because of its stop signal; None for other ends."""
    if _teller is None or not _teller.is_stop(end):
        return None
    return _teller.stopped()


def _asked_for(paths: SubmissionPaths) -> signal.Signals | None:
    try:
        name = record_of(paths).settings.get(OPTION)
    except (RunError, OSError):  # then the run gets no signal
        return None
    return None if name is None else signal_named(name)


def signal_named(name: str) -> signal.Signals:
    return signal.Signals[f"SIG{name.removeprefix('SIG')}"]
