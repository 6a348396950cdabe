"""Ends a launch silently, with its exit code, if TMGG has already shown its failures.

After a launch a sweeper asks each JobReturn for its value. The value of a failed job raises, and
Hydra prints the traceback of the first failed job below the table. If TMGG's report has shown all
failures, this is not new, and it pushes the table off the screen.

Hydra's basic sweeper ends at the first such exception, so here the process ends silently at once.
(The launcher says how many jobs are left.) Other sweepers use the exceptions for decisions, so they
get them; the process ends silently only if an exception leaves their `sweep`.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any

from hydra._internal.utils import run_and_report
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper

from tmgg.console import exit_codes
from tmgg.hydra_plugins.job_returns import is_reported
from tmgg.hydra_plugins.sweepers import is_basic

_FULL_ERROR = "HYDRA_FULL_ERROR"
_SHOWN = "_tmgg_shown"
_in_words: ContextVar[bool] = ContextVar("in_words", default=False)


class ShownReturn(JobReturn):
    """A failed job's return. Asking for its value ends the process silently, with Hydra's code."""

    @property
    def return_value(self) -> Any:
        raise SystemExit(exit_codes.FAILED)

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


class RaisingReturn(JobReturn):
    """Like Hydra's JobReturn, but it does not log again that its job failed."""

    @property
    def return_value(self) -> Any:
        raise self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


@contextlib.contextmanager
def words_instead() -> Iterator[None]:
    """Inside, HYDRA_FULL_ERROR is set only because the caller prints errors itself."""
    token = _in_words.set(True)
    try:
        yield
    finally:
        _in_words.reset(token)


def silence_shown(returns: Sequence[JobReturn], sweeper: Sweeper | None) -> Sequence[JobReturn]:
    """The same JobReturns, but reported failures are silent where Hydra would print them again.

    This holds only below Hydra's own command line. Other programs get the exceptions, and so do
    users with HYDRA_FULL_ERROR=1 or a debugger.
    """
    if not _hydra_would_print():
        return returns
    silent = ShownReturn if is_basic(sweeper) else RaisingReturn
    return [_silent(each, silent) if _was_shown(each) else each for each in returns]


def end_silently(sweeper: Sweeper | None) -> None:
    """Make a sweeper end silently after a failure that was shown."""
    if sweeper is None:
        return
    sweep = sweeper.sweep

    @functools.wraps(sweep)
    def ended(*arguments: Any, **named: Any) -> Any:
        try:
            return sweep(*arguments, **named)
        except Exception as error:
            if _SHOWN in getattr(error, "__dict__", {}) and _hydra_would_print():
                raise SystemExit(exit_codes.FAILED) from error
            raise

    sweeper.sweep = ended  # type: ignore[method-assign]


def _hydra_would_print() -> bool:
    wants_all = os.environ.get(_FULL_ERROR) == "1" and not _in_words.get()
    return not wants_all and sys.gettrace() is None and _is_below_command_line()


def _is_below_command_line() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is run_and_report.__code__:
            return True
        frame = frame.f_back
    return False


def _was_shown(job_return: JobReturn) -> bool:
    error = job_return._return_value
    failed = job_return.status is JobStatus.FAILED
    return failed and isinstance(error, BaseException) and is_reported(error)


def _silent(job_return: JobReturn, kind: type[JobReturn]) -> JobReturn:
    job_return._return_value.__dict__[_SHOWN] = True  # it was reported, so it has attributes
    return kind(**vars(job_return))
