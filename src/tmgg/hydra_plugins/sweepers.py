"""How a sweeper uses its launcher: it may need the jobs' values, or end before its last job.

Hydra does not pass the sweeper to a launcher, so it is found in the call stack of `setup`.
"""

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import cast

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper

from tmgg.console.printing import say
from tmgg.errors import ConfigError


def sweeper_in_setup() -> Sweeper | None:
    """The outermost sweeper, which Hydra itself calls: it may contain the one that works.

    Call it in the launcher's `setup`. None if no sweeper sets the launcher up.
    """
    found: Sweeper | None = None
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        caller = frame.f_locals.get("self") if frame.f_code.co_name == "setup" else None
        found = caller if isinstance(caller, Sweeper) else found
        frame = frame.f_back
    return found


def may_need_values(sweeper: Sweeper | None) -> bool:
    """Whether it may choose jobs by the values of earlier jobs; Hydra's basic one never does."""
    return sweeper is not None and not any(map(_is_basic_class, type(sweeper).__mro__))


def is_basic(sweeper: Sweeper | None) -> bool:
    """Whether it is Hydra's basic sweeper itself."""
    return _is_basic_class(type(sweeper))


def refuse_detached(sweeper: Sweeper | None) -> None:
    """Raise ConfigError if the sweeper may need values: a launch without waiting has none."""
    if may_need_values(sweeper):
        raise ConfigError(
            "hydra.launcher.detach=true returns before a run has a value, and "
            f"{type(sweeper).__name__} may choose its jobs by the values of earlier ones. Nothing "
            "was submitted. Leave detach out and let the command run, or use Hydra's basic sweeper."
        )


@contextlib.contextmanager
def saying_what_is_left(sweeper: Sweeper | None) -> Iterator[list[JobReturn]]:
    """Inside, a batch is launched; the caller puts its JobReturns into the list.

    Hydra's basic sweeper ends silently after a batch with a failed run, and when the process is
    interrupted. Then this says how many jobs are left in its further batches.
    """
    returns: list[JobReturn] = []
    try:
        yield returns
    except SystemExit:
        _say_left(sweeper, why="")
        raise
    if any(each.status is JobStatus.FAILED for each in returns):
        _say_left(sweeper, why=": Hydra's basic sweeper ends after a batch with a failed run")


def _say_left(sweeper: Sweeper | None, *, why: str) -> None:
    if not is_basic(sweeper):
        return
    basic = cast(BasicSweeper, sweeper)
    count = sum(len(batch) for batch in (basic.overrides or [])[basic.batch_index :])
    if count:
        jobs = "1 job of this sweep was" if count == 1 else f"{count} jobs of this sweep were"
        say(
            f"{jobs} not launched{why}. The same command with hydra.launcher.resume=true runs what "
            "is missing. Without hydra.sweeper.max_batch_size all jobs are launched at once; "
            "hydra.launcher.parallelism limits how many run at a time."
        )


def _is_basic_class(kind: type) -> bool:
    """Compare by name: Hydra may run the plugin's module again, which makes a new class."""
    own = BasicSweeper
    return (kind.__module__, kind.__qualname__) == (own.__module__, own.__qualname__)
