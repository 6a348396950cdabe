"""A launch whose failures are on the screen ends with its exit code, and with no more words.

After a launch Hydra's basic sweeper asks each JobReturn for its value. That of a failed job raises,
and Hydra prints its traceback below the table, of the first failed job only. Where TMGG's report
has shown all failures, that says nothing new and pushes the table off the screen.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import run_and_report
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from tmgg.console import exit_codes
from tmgg.hydra_plugins.job_returns import is_reported

_FULL_ERROR = "HYDRA_FULL_ERROR"
_in_words: ContextVar[bool] = ContextVar("in_words", default=False)


class ShownReturn(JobReturn):
    """A failed job's return; who asks for its value ends the process as Hydra does, silently."""

    @property
    def return_value(self) -> Any:
        raise SystemExit(exit_codes.FAILED)

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


@contextlib.contextmanager
def words_instead() -> Iterator[None]:
    """While the caller sets HYDRA_FULL_ERROR only to tell errors in its own way."""
    token = _in_words.set(True)
    try:
        yield
    finally:
        _in_words.reset(token)


def silence_shown(returns: Sequence[JobReturn], config: DictConfig) -> Sequence[JobReturn]:
    """The same JobReturns; reported failures say nothing where Hydra would repeat them.

    Only below Hydra's own command line and basic sweeper: other sweepers and programs get the
    exceptions, and so does whoever asks for them with HYDRA_FULL_ERROR=1 or a debugger.
    """
    if not _hydra_would_print(config):
        return returns
    return [_silent(each) if _was_shown(each) else each for each in returns]


def _hydra_would_print(config: DictConfig) -> bool:
    sweeper = str(OmegaConf.select(config, "hydra.sweeper._target_"))
    if sweeper != f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}":
        return False
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


def _silent(job_return: JobReturn) -> ShownReturn:
    return ShownReturn(**vars(job_return))
