"""TMGG's own lines in a job are for the job's stderr, not for the experiment's log.

The files and handlers that an experiment's logging config makes are its own, and programs may read
them: they have what they have without TMGG. Lines of the science (`tmgg.training` and the like)
are the experiment's.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

_OWN = ("tmgg.experiment_utils", "tmgg.hydra_plugins")
_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"


class _ToStderr(logging.StreamHandler[Any]):
    """To what is `sys.stderr` when the line is logged: an experiment may replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextlib.contextmanager
def own_lines_on_stderr() -> Iterator[None]:
    """Inside, no handler of anybody else gets a line of TMGG's."""
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
    """Whatever is done inside with Python's logging."""
    try:
        yield
    finally:
        keep_apart()


def keep_apart() -> None:
    """Again, after an experiment's logging was configured, which may have undone it.

    INFO lines are shown where the experiment's are, warnings always.
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
