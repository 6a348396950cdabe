"""The process of one run, just forked from a keeper: make it its own, then `execute_task`."""

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

# Before any process of Ray or of TMGG, whatever their sizes.
_FIRST_TO_BE_KILLED = "1000"


def become_run(order: Order, own: dict[str, str], *, keeper: int) -> NoReturn:
    """Run the order's task in this process and end it, as a Python of its own would end.

    `own` are the variables of this start.
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
    # Not sys.exit: taking the interpreter down copies every page shared with the warm parent,
    # which is a second of CPU with torch. This is what multiprocessing does with its children.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed or replaced by the experiment; a full disk
            stream.flush()
    os._exit(code)


def set_oom_score(score: str) -> None:
    """Whom the kernel kills first when the job's memory is used up; best effort."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(score)


def _forget_inherited_randomness() -> None:
    """Fresh seeds, as in a fresh process: what was imported before the fork was seeded there."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
