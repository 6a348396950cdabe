"""Sends TMGG's own log lines in a job to the job's stderr, not to the experiment's log.

Programs may read the log files of an experiment, so these have the same lines as without TMGG. The
lines of the science (`tmgg.training` and the like) count as the experiment's.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

_OWN = ("tmgg.experiment_utils", "tmgg.hydra_plugins")
_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"


class _ToStderr(logging.StreamHandler[Any]):
    """Writes to the current `sys.stderr` at each line: an experiment may replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextlib.contextmanager
def own_lines_on_stderr() -> Iterator[None]:
    """Within the `with` block, only TMGG's handler gets TMGG's own lines."""
    loggers = [logging.getLogger(name) for name in _OWN]
    before = [(each, each.handlers[:], each.propagate, each.level) for each in loggers]
    keep_apart()
    try:
        yield
    finally:
        for logger, handlers, propagate, level in before:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)


@contextlib.contextmanager
def kept_apart_afterwards() -> Iterator[None]:
    """Call `keep_apart` after the `with` block, in which Python's logging may be configured."""
    try:
        yield
    finally:
        keep_apart()


def keep_apart() -> None:
    """Set up TMGG's loggers; again after the experiment configured logging, which may undo it.

    Warnings are always shown, INFO lines if the root logger's level shows those of the experiment.
    """
    handler = _ToStderr()
    handler.setFormatter(logging.Formatter(_FORMAT))
    for name in _OWN:
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(logging.NOTSET)
        logger.setLevel(min(logging.WARNING, logger.getEffectiveLevel()))
    for logger in _below(_OWN):
        logger.disabled = False


def _below(names: tuple[str, ...]) -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.items())
    within = tuple(f"{name}." for name in names)
    return [
        logger
        for name, logger in known
        if isinstance(logger, logging.Logger) and (name in names or name.startswith(within))
    ]
