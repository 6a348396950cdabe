"""The process of one run, just forked from a keeper: it sets itself up, then runs the task."""

import atexit
import contextlib
import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from tmgg.experiment_utils.job.execute import execute_task
from tmgg.experiment_utils.job.job_environment import with_own
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.supervisor import processes

# The highest score: the kernel kills a run before any process of Ray or of TMGG.
_FIRST_TO_BE_KILLED = "1000"


def become_run(order: Order, own: dict[str, str], *, keeper: int) -> NoReturn:
    """Run the order's task in this process, then end the process as a Python interpreter ends.

    `own` are the environment variables of this start.
    """
    os.setsid()
    processes.end_with_parent(keeper, signal.SIGKILL)
    set_oom_score(_FIRST_TO_BE_KILLED)
    os.environ.update(with_own(os.environ, order.environment) | own)
    if order.cpus:
        os.sched_setaffinity(0, order.cpus)
    _forget_inherited_randomness()
    sys.argv = ["tmgg", order.folder]
    code = execute_task(order.folder)
    # Not sys.exit: the full end of the interpreter would copy every page shared with the warm
    # parent, which takes a second of CPU with torch. multiprocessing ends its children like this.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the experiment may have replaced it; a full disk
            stream.flush()
    os._exit(code)


def set_oom_score(score: str) -> None:
    """Set how early the kernel kills this process if memory runs out; errors are ignored."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(score)


def _forget_inherited_randomness() -> None:
    """Seed anew, as in a new process: modules imported before the fork were seeded there."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
